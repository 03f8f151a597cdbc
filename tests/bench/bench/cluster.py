"""The local cluster: kubectl, its PostgreSQL servers, what the API server's audit log says, and watches."""
import base64
import datetime
import json
import os
import subprocess
import sys
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
AUDIT = os.path.join(ROOT, ".local", "cluster", "audit.log")
ACCOUNT = "system:serviceaccount:dbm-system:dbm-database-migration-operator"
DEPLOYMENT = "deployment/dbm-database-migration-operator"
STAMP = str(int(time.time()))


def fail(text):
    sys.exit(f"bench: {text}")


def kubectl(*words, text=None):
    done = subprocess.run(["kubectl", *words], input=text, capture_output=True, text=True)
    if done.returncode != 0:
        fail(f"kubectl {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


def psql(statement, instance="identity-postgres", database="postgres"):
    return kubectl("exec", "-n", "databases", f"{instance}-0", "--", "psql", "-qAtd", database, "-c", statement)


def secret(name):
    text = kubectl("get", "secret", "-n", "databases", name, "-o", "jsonpath={.data.password}")
    return base64.b64decode(text).decode()


def namespace(name):
    kubectl("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}))


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Watch:
    """Sees every change of one kind in one namespace, with the moment at which it came."""

    def __init__(self, kind, space):
        self.process = subprocess.Popen(
            ["kubectl", "get", kind, "-n", space, "-w", "-o", "json", "--output-watch-events"],
            stdout=subprocess.PIPE, text=True)
        self.seen, self.changed = {}, threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()
        time.sleep(1)  # kubectl's start is not what is measured

    def read(self):
        for line in self.process.stdout:  # one event a line
            event = json.loads(line)
            with self.changed:
                self.seen[event["object"]["metadata"]["name"]] = (time.time(), event["object"])
                self.changed.notify_all()

    def until(self, name, test, limit=120):
        end = time.time() + limit
        with self.changed:
            while True:
                at, found = self.seen.get(name, (0, None))
                if found and test(found):
                    return at, found
                if not self.changed.wait(end - time.time()):
                    fail(f"{name} did not come to its end: {json.dumps(found and found.get('status'))}")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def condition(kind, value):
    return lambda found: any(c["type"] == kind and c["status"] == value
                             and c.get("observedGeneration", found["metadata"].get("generation")) ==
                             found["metadata"].get("generation")
                             for c in found.get("status", {}).get("conditions", []))


class Requests:
    """What the operator asks of the API server from now on, by the audit log."""

    def __init__(self):
        self.offset = os.path.getsize(AUDIT)
        self.file = os.stat(AUDIT).st_ino

    def logs(self):
        """(file, where to begin): the log, and before it the one that it was when this began, if it was rotated."""
        if os.stat(AUDIT).st_ino == self.file:
            return [(AUDIT, self.offset)]
        folder = os.path.dirname(AUDIT)
        old = [os.path.join(folder, name) for name in os.listdir(folder) if name.startswith("audit-")]
        old = [name for name in old if os.stat(name).st_ino == self.file]
        return [(name, self.offset) for name in old] + [(AUDIT, 0)] if old else fail("the audit log was rotated twice")

    def entries(self):
        """Every answered request, of anybody: (entry, address without parameters)."""
        for name, offset in self.logs():
            with open(name, errors="replace") as log:
                log.seek(offset)
                for line in log:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        continue
                    if entry["stage"] == "ResponseComplete":
                        yield entry, entry["requestURI"].split("?")[0]

    def ours(self, space):
        """The operator's own for one namespace, watches and the leader's Lease left out."""
        for entry, uri in self.entries():
            user = entry.get("impersonatedUser", entry["user"])["username"]
            if user != ACCOUNT or entry["verb"] == "watch" or uri.endswith("/leases/database-migration-operator"):
                continue
            if f"/namespaces/{space}/" in uri or ("/leases" in uri and "dbm-system" in uri):
                yield entry, uri

    def count(self, space):
        """By verb."""
        found = {}
        for entry, _ in self.ours(space):
            found[entry["verb"]] = found.get(entry["verb"], 0) + 1
        return found
