"""What a user waits for, against a bare Job with the same image."""
import json
import os
import statistics
import subprocess
import time

from . import cluster
from .cluster import STAMP, Requests, Watch, condition, kubectl, moment, namespace, psql
from .process import Operator

IMAGE = "localhost/dbm-test:small"
BROKEN = "localhost/shop-migrations:1.2.0"
RETAG = os.path.join(cluster.ROOT, "tests", "bench", "retag")
# An operator of this build as a process for each round, instead of the one that is installed.
LOCAL = bool(os.environ.get("BENCH_LOCAL"))


def database(space, name):
    psql(f'CREATE DATABASE "{name}" OWNER shop')
    url = f"postgresql://shop:{cluster.secret('postgres-shop')}@identity-postgres.databases.svc.cluster.local:5432/{name}"
    kubectl("create", "secret", "generic", name, "-n", space, f"--from-literal=DATABASE_URL={url}")


def resource(space, name, image=IMAGE, schema="prisma/schema.prisma", databases=None):
    """Of one database, or of several: {name: Secret}."""
    return json.dumps({"apiVersion": "dbops.dev/v1alpha1", "kind": "DatabaseMigration",
                       "metadata": {"name": name, "namespace": space},
                       "spec": {"image": image, "databases": [{
                           "name": database, "connection": {"secretKeyRef": {"name": secret}},
                           "prisma": {"schema": schema}} for database, secret in (databases or {"main": name}).items()]}})


def bare_job(space, name):
    return json.dumps({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name, "namespace": space}, "spec": {
        "backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "automountServiceAccountToken": False, "enableServiceLinks": False,
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "containers": [{
                "name": "migrate", "image": IMAGE, "imagePullPolicy": "IfNotPresent",
                "command": ["node", "node_modules/prisma/build/index.js", "migrate", "deploy"],
                "env": [{"name": "DATABASE_URL", "valueFrom": {"secretKeyRef": {"name": name, "key": "DATABASE_URL"}}}],
                "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}},
                "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                "securityContext": {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                    "capabilities": {"drop": ["ALL"]}}}]}}}})


def timed(watch, name, text, test):
    start = time.time()
    kubectl("apply", "-f", "-", text=text)
    at, found = watch.until(name, test)
    return at - start, found


def requests(since, space):
    """(requests without progress, progress writes, seen to Job made) of one resource's run."""
    ours, status_writes, made, seen = 0, 0, None, None
    for entry, uri in since.entries():
        if entry["verb"] == "create" and uri.endswith(f"/namespaces/{space}/databasemigrations"):
            seen = moment(entry["stageTimestamp"])
    for entry, uri in since.ours(space):
        if uri.endswith("/status"):
            status_writes += 1
            continue
        ours += 1
        if uri.endswith("/jobs") and entry["verb"] == "create" and made is None:
            made = moment(entry["stageTimestamp"])
    # the plan with the step, and the end, are the journal; what lies between is progress
    journal = min(status_writes, 2)
    return ours + journal, status_writes - journal, (made - seen) if made and seen else None


def again(watch, space, name, found):
    """Another release of a resource: its database is emptied, so everything is pending again. (requests, progress writes)"""
    psql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION shop", database=name)
    retry = lambda value: kubectl("annotate", "databasemigration", name, "-n", space, f"dbops.dev/retry={value}", "--overwrite")
    # That the rows are gone is asked about once.
    retry("gone")
    _, found = watch.until(name, condition("Stalled", "True"))
    run, ready = found["status"]["run"]["id"], condition("Ready", "True")
    since = Requests()
    retry("again")
    watch.until(name, lambda found: ready(found) and found["status"]["run"]["id"] != run)
    time.sleep(1)
    return requests(since, space)[:2]


def pair(watch, space, stem):
    """The requests for each database of a resource with two, as the shop's are; their names."""
    names = [f"{stem}-identity", f"{stem}-tasks"]
    for name in names:
        database(space, name)
    since = Requests()
    kubectl("apply", "-f", "-", text=resource(space, f"{stem}-pair", databases=dict(zip(("identity", "tasks"), names))))
    watch.until(f"{stem}-pair", condition("Ready", "True"))
    time.sleep(1)
    count, progress = requests(since, space)[:2]
    # one status write more is the journal's: between the two
    return (count + min(progress, 1)) / 2, names


def shown(values):
    return f"{statistics.median(values):.2f} s (best {min(values):.2f}, worst {max(values):.2f})"


def measure(rounds):
    """Everything, as rows of the table."""
    spaces, names = [], []
    bare, first, known, counted, progress, later, until_job, unchanged, told = [], [], [], [], [], [], [], [], []
    paired = []
    subprocess.run([RETAG, IMAGE, IMAGE + "-again"], check=True)
    ready, complete = condition("Ready", "True"), condition("Complete", "True")
    try:
        for number in range(rounds):
            space = f"bench-{STAMP}-{number}"
            namespace(space)
            spaces.append(space)
            operator = Operator(space) if LOCAL else None
            for kind in ("bare", "first", "known"):
                name = f"b{STAMP}-{number}-{kind}"
                database(space, name)
                names.append(name)
            stem = f"b{STAMP}-{number}"
            jobs, migrations = Watch("jobs", space), Watch("databasemigrations", space)
            # interleaved, so that the machine's mood meets all of them
            bare.append(timed(jobs, f"{stem}-bare", bare_job(space, f"{stem}-bare"), complete)[0])
            first.append(timed(migrations, f"{stem}-first", resource(space, f"{stem}-first"), ready)[0])
            time.sleep(1)
            since = Requests()
            took, found = timed(migrations, f"{stem}-known", resource(space, f"{stem}-known"), ready)
            known.append(took)
            time.sleep(1)
            count, writes, made = requests(since, space)
            counted.append(count)
            progress.append(writes)
            if made is not None:
                until_job.append(made)
            later.append(again(migrations, space, f"{stem}-known", found)[0])
            each, both = pair(migrations, space, stem)
            paired.append(each)
            names += both
            took, found = timed(migrations, f"{stem}-known", resource(space, f"{stem}-known", IMAGE + "-again"), ready)
            steps = [step["name"] for step in found["status"]["run"].get("steps", [])]
            if "migrate" in steps:
                cluster.fail("a migrate Job was made although nothing was pending")
            unchanged.append(took)
            jobs.stop()
            name = f"b{STAMP}-{number}-fails"
            database(space, name)
            names.append(name)
            kubectl("apply", "-f", "-", text=resource(space, name, BROKEN, "packages/db/prisma/schema.prisma"))
            at, found = migrations.until(name, condition("Stalled", "True"))
            job = found["status"]["run"]["steps"][-1]["job"]
            ends = kubectl("get", "pods", "-n", space, "-l", f"job-name={job}", "-o",
                           'jsonpath={.items[0].status.containerStatuses[?(@.name=="migrate")].state.terminated.message}')
            if found["status"]["databases"][0]["failed"]["code"]:
                told.append(at - moment(json.loads(ends)["finishedAt"]))
            migrations.stop()
            if operator:
                operator.close()
    finally:
        for space in spaces:
            kubectl("delete", "namespace", space, "--wait=false")
        for name in names:
            subprocess.run(["kubectl", "exec", "-n", "databases", "identity-postgres-0", "--", "psql", "-qc",
                            f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'], capture_output=True)
    base = statistics.median(bare)
    times = lambda values: f"{statistics.median(values) / base:.2f} times"
    return [
        ("bare Job with the same image", shown(bare), "1.0"),
        ("applied to Ready, first sight of the image", f"{shown(first)}, {times(first)}", "1.5 times"),
        ("applied to Ready, known inventory", f"{shown(known)}, {times(known)}", "1.1 times"),
        ("image changed, nothing pending, to Ready", f"{shown(unchanged)}, no migration Job", "under one bare Job"),
        ("API requests per migrated database, a resource's first release",
         f"{statistics.median(counted):.0f}, and {statistics.median(progress):.0f} progress writes", "10"),
        ("API requests per migrated database, each later release", f"{statistics.median(later):.0f}", "10"),
        ("API requests per migrated database, of a resource with two", f"{statistics.median(paired):.1f}", "10"),
        ("resource seen to Job made, known inventory", f"{1000 * statistics.median(until_job):.0f} ms" if until_job else "not measured", "50 ms"),
        ("container's end to Ready=False with code", shown(told), "1 s"),
    ]
