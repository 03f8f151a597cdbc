# The operator's image: the operator, and the agent that it brings into the Jobs.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag registry.example.com/team/database-migration-operator:0.1.0 --push .
#
# Each platform is built by a compiler of that platform: on a native builder, or under QEMU, which is slow and needs
# nothing else. To build the binaries elsewhere, put them into dist/amd64 and dist/arm64 and add
#
#   --build-arg BINARIES=prebuilt
#
# which takes seconds and, with BASE_IMAGE set to an image that is there, no network either. The operator is linked
# against glibc (name look-ups are), so the base must have one as new as the compiler's.

ARG RUST_IMAGE=docker.io/library/rust:1.95-bookworm@sha256:6258907abe69656e41cd992e0b705cdcfabcbbe3db374f92ed2d47121282d4a1
ARG BASE_IMAGE=gcr.io/distroless/cc-debian12:nonroot@sha256:9dac0a79194e45a7da0158a9c6da57b217585af0786db3845d1f0ec1a0dd182f
# The stage that /out is taken from: build or prebuilt.
ARG BINARIES=build

FROM ${RUST_IMAGE} AS build
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY agent agent
COPY protocol protocol
COPY src src
RUN mkdir /out \
 && cargo build --locked --release --bin database-migration-operator \
 && cp target/release/database-migration-operator /out/
# Static: it runs in images of any distribution and of none. The target is named so that the flag is for the agent and
# not for the programs that run while building it.
RUN host=$(rustc -vV | sed -n 's/^host: //p') \
 && RUSTFLAGS="-C target-feature=+crt-static" cargo build --locked --release --package dbm-agent --target "$host" \
 && cp "target/$host/release/dbm-agent" /out/

FROM scratch AS prebuilt
ARG TARGETARCH
COPY dist/${TARGETARCH}/database-migration-operator dist/${TARGETARCH}/dbm-agent /out/

FROM ${BINARIES} AS binaries

FROM ${BASE_IMAGE}
COPY --from=binaries /out/database-migration-operator /out/dbm-agent /usr/local/bin/
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/database-migration-operator"]
