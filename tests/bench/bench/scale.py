"""Many resources: memory, idleness, restart, and all of them at once, without as many containers; see stand_in.rs."""
import json
import os
import subprocess
import threading
import time

from . import cluster
from .cluster import Requests, kubectl, psql
from .process import Operator

COUNT = int(os.environ.get("BENCH_COUNT", "1000"))
FEW = max(COUNT // 10, 1)
# Low enough to be reached.
LIMIT = 4
WORK_MS = 100
INSTANCE = "bench-postgres"
STAND_IN = os.path.join(cluster.ROOT, "target", "debug", "examples", "bench-stand-in")
# Its databases are thrown away: what a disk does is not what is measured.
SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off",
            "archive_command": "/bin/true"}
WRITES = ("create", "update", "patch", "delete", "deletecollection")


def server():
    """A PostgreSQL of the bench's own: (the superuser's URL from this machine, the role's URL from the cluster)."""
    subprocess.run([os.path.join(cluster.ROOT, "local-cluster", "postgres-up"), "bench"], check=True,
                   stdout=subprocess.DEVNULL)
    for name, value in SETTINGS.items():
        psql(f"ALTER SYSTEM SET {name} = '{value}'", INSTANCE)
    psql("SELECT pg_reload_conf()", INSTANCE)
    address = kubectl("get", "service", "-n", "databases", INSTANCE, "-o", "jsonpath={.spec.clusterIP}")
    return (f"postgresql://postgres:{cluster.secret('postgres-superuser')}@{address}:5432/postgres",
            f"postgresql://shop:{cluster.secret('postgres-shop')}@{INSTANCE}.databases.svc.cluster.local:5432")


def drop_server():
    for words in (["statefulset,service", INSTANCE, "-n", "databases"], ["secret", "bench-db", "-n", "shop"]):
        kubectl("delete", *words, "--ignore-not-found", "--wait=false")


class Sessions:
    """The most sessions of the operator that the server ever shows."""

    def __init__(self):
        self.most, self.over = 0, threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self):
        while not self.over.wait(5):
            query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'dbm-observer'"
            self.most = max(self.most, int(psql(query, INSTANCE)))

    def end(self):
        self.over.set()
        self.thread.join()
        return self.most


def at_once(space, count, urls):
    """Applies so many resources at once and waits until all are Ready."""
    environment = {**os.environ, "BENCH_POSTGRES_URL": urls[0], "BENCH_DATABASE_URL": urls[1]}
    stand_in = subprocess.Popen([STAND_IN, space, str(count), str(WORK_MS)], stdout=subprocess.PIPE, text=True,
                                env=environment)
    lines = [json.loads(line) for line in stand_in.stdout if line.startswith("{")]
    if stand_in.wait() != 0:
        cluster.fail("the stand-in did not come to its end")
    return lines[-1]


def storm(space, count, urls, operator):
    requests, before = Requests(), operator.cpu()
    peak, over = [0.0], threading.Event()

    def watch():
        while not over.wait(0.5):
            peak[0] = max(peak[0], operator.memory())

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    found = at_once(space, count, urls)
    over.set()
    thread.join()
    time.sleep(2)  # the last words: Leases, finalizers, Events
    found["cpu"] = operator.cpu() - before
    found["requests"] = sum(requests.count(space).values())
    found["peak"] = peak[0]
    found["memory"] = operator.memory()
    return found


def idle(space, operator):
    """One minute in which nothing is due."""
    requests, before, sessions = Requests(), operator.cpu(), Sessions()
    time.sleep(60)
    return {"cpu": operator.cpu() - before, "requests": sum(requests.count(space).values()), "sessions": sessions.end()}


def restart(space, count, operator):
    """A new process among finished resources: what it asks and changes, and when it has seen all of them."""
    operator.stop()
    requests, began = Requests(), time.time()
    operator.start()
    while operator.reconciled() < count:
        if time.time() - began > 120:
            cluster.fail("the operator does not catch up after its restart")
        time.sleep(0.1)
    found = {"caught_up": time.time() - began, "cpu": operator.cpu(), "memory": operator.memory()}
    time.sleep(max(0, began + 60 - time.time()))
    counts = requests.count(space)
    looks = sum(1 for entry, uri in requests.ours(space) if "/secrets/" in uri and entry["verb"] == "get")
    found.update(requests=sum(counts.values()), looks=looks, memory_later=operator.memory(),
                 writes=sum(counts.get(verb, 0) for verb in WRITES))
    return found


def measure():
    """Everything, as rows of the table."""
    urls = server()
    spaces, rows = [], []
    try:
        memory, storms = {}, {}
        for count in (0, FEW, COUNT):
            space = f"bench-{cluster.STAMP}-of-{count}"
            cluster.namespace(space)
            spaces.append(space)
            operator = Operator(space, f"--max-runs-per-server={LIMIT}")
            try:
                time.sleep(2)
                if count:
                    storms[count] = storm(space, count, urls, operator)
                memory[count] = [operator.memory()]
                if count == COUNT:
                    quiet = idle(space, operator)
                if count:
                    again = restart(space, count, operator)
                    memory[count].append(again["memory_later"])
            finally:
                operator.close()
        few, many = storms[FEW], storms[COUNT]
        each = lambda found, count, what: 1000 * found[what] / count
        rows += [
            (f"RssAnon with 0 / {FEW} / {COUNT} Ready resources",
             " / ".join(f"{memory[count][-1]:.1f}" for count in (0, FEW, COUNT)) + " MB"
             + f"; after their runs {memory[FEW][0]:.1f} / {memory[COUNT][0]:.1f}, at most {many['peak']:.1f}",
             "8 / - / 16 MB"),
            (f"idle with {COUNT} Ready resources, one minute",
             f"{quiet['requests']} requests, {quiet['sessions']} sessions, {quiet['cpu']:.2f} s CPU", "0, 0, 0.05 s"),
            (f"restart with {COUNT} finished resources",
             f"caught up in {again['caught_up']:.1f} s ({again['cpu']:.2f} s CPU); in a minute {again['writes']} writes, "
             f"{again['looks']} looks, {again['requests']} requests",
             f"no write; {COUNT / 60:.0f} looks"),
            (f"{FEW} resources at once, all Ready",
             f"{few['ready']:.1f} s ({each(few, FEW, 'ready'):.0f} ms, {each(few, FEW, 'cpu'):.1f} ms CPU each), "
             f"{few['requests'] / FEW:.1f} requests each", "-"),
            (f"{COUNT} resources at once, all Ready",
             f"{many['ready']:.1f} s ({each(many, COUNT, 'ready'):.0f} ms, {each(many, COUNT, 'cpu'):.1f} ms CPU each), "
             f"{many['requests'] / COUNT:.1f} requests each", "linear"),
            (f"of these at work on one server, limit {LIMIT}", f"at most {many['at_once']}", f"{LIMIT}"),
        ]
        return rows
    finally:
        for space in spaces:
            kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false")
        drop_server()
