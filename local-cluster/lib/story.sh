# shellcheck shell=bash disable=SC2034,SC2154 # names of common.sh, and for the scripts that read this
# What the demo and the incident drill share: what people see, what is looked at, and what the tool itself printed.
# The script that reads this says what it is (story) and where its resource is (namespace).

manifest=$repo/examples/shop.yaml
declare -A project=([identity]=packages/db/prisma [tasks]=packages/tasks-db/prisma) # in the image
broken=20261122101500_split_name
registry=localhost

bold='' green='' red='' dim='' off=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' dim=$'\e[2m' off=$'\e[0m'
fi

# ---------------------------------------------------------------------------------------------- what people see

print() { printf '%s\n' "$*"; }
heading() { printf '\n%s== %s%s\n' "$bold" "$*" "$off"; }
shown() { printf '%s$ %s%s\n' "$dim" "$*" "$off"; }
# Long lines of the operator, at the words.
folded() { fold -s -w 110 | sed 's/^/    /; s/ *$//'; echo; }
indented() { sed 's/^/    /; s/ *$//'; }

failed() {
  printf '\n%s%s failed: %s%s\n' "$red" "$story" "$1" "$off" >&2
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&2
  if [ -n "${KUBECONFIG:-}" ]; then
    printf '\nthe resource as it is now:\n' >&2
    kubectl get dbm shop -n "$namespace" -o wide >&2 || true
    kubectl get events -n "$namespace" --sort-by .metadata.creationTimestamp 2>/dev/null | tail -n 8 >&2 || true
    printf 'the operator: kubectl logs -n dbm-system deployment/dbm-database-migration-operator --tail 50\n' >&2
  fi
  exit 1
}

# check WHAT EXPECTED FOUND: one claim.
check() {
  [ "$2" = "$3" ] || failed "$1" "expected: ${2//$'\n'/ }" "found:    ${3//$'\n'/ }"
  printf '  %s✔%s %s\n' "$green" "$off" "$1"
}

# check_says WHAT TEXT PART...: the text holds every part.
check_says() {
  local what=$1 text=$2 part
  shift 2
  for part; do
    [[ $text == *"$part"* ]] || failed "$what" "expected in it: $part" "found: ${text//$'\n'/ }"
  done
  printf '  %s✔%s %s\n' "$green" "$off" "$what"
}

# The best that on-call people have to look at.
screen() {
  shown "kubectl dbm status shop -n $namespace"
  # its exit code speaks of the resource
  kubectl dbm status shop -n "$namespace" >"$local_dir/screen" 2>&1 || true
  indented <"$local_dir/screen"
}

# ------------------------------------------------------------------------------------------ what is looked at

field() { kubectl get dbm shop -n "$namespace" -o "jsonpath=$1"; }
condition() { field "{.status.conditions[?(@.type==\"$1\")].$2}"; }
database_field() { field "{.status.databases[?(@.name==\"$1\")].$2}"; }

# holds DATABASE VERSION: the migrations that a release has for it, from the repository.
holds() {
  local folder=${project[$1]}/migrations version
  {
    ls "$repo/examples/shop/$folder"
    for version in "$repo"/examples/shop/releases/*; do
      version=${version##*/}
      if [ "$(printf '%s\n' "$version" "$2" | sort -V | head -n 1)" = "$version" ] &&
        [ -d "$repo/examples/shop/releases/$version/$folder" ]; then
        ls "$repo/examples/shop/releases/$version/$folder"
      fi
    done
  } | grep '^[0-9]' | LC_ALL=C sort -u
}
applied() { # DATABASE
  sql "$1" 'SELECT migration_name FROM _prisma_migrations
    WHERE finished_at IS NOT NULL AND rolled_back_at IS NULL ORDER BY migration_name COLLATE "C"'
}
number() { grep -c . <<<"$1" || true; }

# goes_through VERSION: everything that "a release went well" means.
goes_through() {
  local name
  check "Ready is True for release $1" "True $registry/shop-migrations:$1" \
    "$(condition Ready status) $(field '{.status.run.image.reference}')"
  for name in identity tasks; do
    check "the ledger of $name holds exactly the $(number "$(holds $name "$1")") migrations of $1, all finished" \
      "$(holds $name "$1")" "$(applied $name)"
  done
}

watcher=
stop_watching() {
  if [ -n "$watcher" ]; then kill "$watcher" 2>/dev/null || true; fi
  watcher=
}

# One line for each state of the resource that speaks of its present spec.
# shellcheck disable=SC2016 # Go's template, not the shell's
states='{{$g := .metadata.generation}}{{with .status}}{{if eq (print $g) (print .observedGeneration)}}{{.phase}}|{{
  range .conditions}}{{if eq .type "Ready"}}{{.status}}|{{.reason}}{{end}}{{end}}|{{with .databasesReady}}{{.}}{{end}}|{{
  .pendingCount}}|{{with .nextCommand}}{{.}}{{end}}{{"\n"}}{{end}}{{end}}'

# watch_until SECONDS PHASE REASON [with-command]: a line at each change, until the resource says this; with-command: and
# prints a next command, which is then in $next.
watch_until() {
  local end=$((SECONDS + $1)) phase ready reason databases pending line last='' start=$SECONDS
  printf '  %s%5s  %-11s %-6s %-10s %-8s %s%s\n' "$dim" '' PHASE READY DATABASES PENDING REASON "$off"
  while [ $SECONDS -lt $end ]; do
    # a watch may end by itself: then another one goes on
    exec 3< <(exec kubectl get dbm shop -n "$namespace" --watch -o "go-template=$states" 2>/dev/null)
    watcher=$!
    while IFS='|' read -r -t $((end - SECONDS + 1)) -u 3 phase ready reason databases pending next; do
      line=$(printf '%-11s %-6s %-10s %-8s %s' "$phase" "$ready" "$databases" "${pending/<no value>/-}" "$reason")
      if [ "$line" != "$last" ]; then
        printf '  %4ds  %s\n' $((SECONDS - start)) "$line"
        last=$line
      fi
      if [ "$phase/$reason" = "$2/$3" ] && { [ -z "${4:-}" ] || [ -n "$next" ]; }; then
        stop_watching
        return
      fi
      # an end, and not the one that was to come
      case $phase/$ready in
        Succeeded/True | Failed/*) break 2 ;;
      esac
      [ $SECONDS -lt $end ] || break
    done
    stop_watching
    [ $SECONDS -ge $end ] || sleep 0.5
  done
  stop_watching
  failed "shop was to become $2 ($3) within $1 s, and is: ${last:-not seen by the operator}" "$(field '{.status.message}')"
}

# --------------------------------------------------------------------------------------- what the tool printed

# build_plugin: `kubectl dbm`, where the shell of local-cluster/env finds it.
build_plugin() {
  local profile=${DBM_PROFILE:-release} folder target
  folder=$profile
  [ "$profile" != dev ] || folder=debug
  target=$(cargo metadata --manifest-path "$repo/Cargo.toml" --format-version 1 --no-deps |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["target_directory"])')
  cargo build --manifest-path "$repo/Cargo.toml" --locked --profile "$profile" --bin kubectl-dbm
  install -D -m 0755 "$target/$folder/kubectl-dbm" "$local_dir/bin/kubectl-dbm"
}

# words_of COMMAND: its words in $words, as a shell would see them, and nothing expanded. A command of the status is data:
# what is not the plug-in's, or not about this resource, is not run.
words_of() {
  local word
  mapfile -t words < <(xargs printf '%s\n' <<<"$1")
  [ "${words[*]:0:2} ${words[*]:3:3}" = "kubectl dbm shop -n $namespace" ] ||
    failed "the printed command was to be one of kubectl dbm for shop, and is: $1"
  for word in "${words[@]}"; do
    [[ $word =~ ^[A-Za-z0-9_.:-]+$ ]] || failed "an unexpected word in the printed command: $word"
  done
}

# run_printed COMMAND REASON: as it was printed, with `...` replaced by the reason, and --yes, because nobody can be asked
# here. Who runs it on a terminal is asked for a reason that the command does not have; here it is given, too.
run_printed() {
  local words=() at code=0
  words_of "$1"
  for at in "${!words[@]}"; do
    [ "${words[at]}" != ... ] || words[at]=$2
  done
  if [[ " ${words[*]} " != *" --reason "* ]] && [ "${words[2]}" != retry ]; then words+=(--reason "$2"); fi
  words+=(--yes)
  shown "$(printf '%q ' "${words[@]}" | sed "s/ $//; s/$(printf '%q' "$2" | sed 's/[\\&/]/\\&/g')/\"$2\"/")"
  "${words[@]}" 2>&1 | indented || code=$?
  [ $code -eq 0 ] || failed "the printed command ended with $code: $1"
}
