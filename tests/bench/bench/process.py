"""An operator as a process of this machine: what it needs can be read from /proc."""
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.request

from . import cluster

PROGRAM = os.path.join(cluster.ROOT, "target", os.environ.get("BENCH_PROFILE", "release"), "database-migration-operator")
# The cluster's name server; this machine's own does not know Services.
RESOLVER = "nameserver 10.96.0.10\nsearch svc.cluster.local cluster.local\noptions ndots:5\n"
TICK = os.sysconf("SC_CLK_TCK")


class Operator:
    """Watches one namespace, with the rights of the chart's ServiceAccount and no others."""

    def __init__(self, space, *options):
        self.space, self.options = space, options
        self.folder = tempfile.mkdtemp(prefix="dbm-bench-")
        with open(os.path.join(self.folder, "resolv.conf"), "w") as file:
            file.write(RESOLVER)
        config = json.loads(cluster.kubectl("config", "view", "--raw", "--flatten", "-o", "json"))
        for user in config["users"]:
            user["user"]["as"] = cluster.ACCOUNT
        with open(os.open(os.path.join(self.folder, "kubeconfig"), os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            json.dump(config, file)
        self.log = open(os.path.join(self.folder, "log"), "a")
        self.start()

    def start(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        image = os.environ.get("OPERATOR_IMAGE") or cluster.fail("OPERATOR_IMAGE is not set: eval \"$(local-cluster/env)\"")
        self.process = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c",
             'mount --bind "$0" "$(readlink -f /etc/resolv.conf)" && exec "$@"', os.path.join(self.folder, "resolv.conf"),
             PROGRAM, "run", "--watch-namespace", self.space, "--http-address", f"127.0.0.1:{self.port}",
             "--leader-elect=false", "--log-level=warn", *self.options],
            env={"PATH": os.environ["PATH"], "KUBECONFIG": os.path.join(self.folder, "kubeconfig"),
                 "POD_NAMESPACE": "dbm-system", "POD_NAME": "bench", "OPERATOR_IMAGE": image},
            stdout=self.log, stderr=self.log)
        self.until_ready()

    def until_ready(self):
        end = time.time() + 30
        while time.time() < end:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=2):
                    return
            except OSError:
                if self.process.poll() is not None:
                    break
                time.sleep(0.05)
        cluster.fail(f"the operator does not come up; see {self.folder}/log")

    def reconciled(self):
        """How many reconciliations it has done."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        counts = [line for line in lines if "reconcil" in line and "_count" in line and not line.startswith("#")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in counts)

    def memory(self):
        """Its own memory, MB: anonymous pages, without the program's file."""
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) / 1000
        return cluster.fail("no RssAnon in /proc")

    def cpu(self):
        """Seconds of CPU since its start."""
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def close(self):
        self.stop()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)
