# SPDX-License-Identifier: GPL-2.0-or-later
"""What orchestration costs for each run, beyond the run itself.

Hosts are network namespaces with an SSH server each; the controller is one more. The runs lie
finished on their hosts, so each takes no time, yet goes the whole way: task, SSH, module, checks,
record, samples, results on the controller. A playbook with few runs and one with many are timed,
and the difference is the price of a run without the price of starting up.

Needs root and Debian's openssh-server; addresses are those set aside for documentation and exist
only inside the namespaces.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "collections"))

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.module_utils.record import record as _record  # noqa: E402
from ansible_collections.hintfleet.bench.plugins.modules import run as run_module  # noqa: E402

PREFIX = "hfbench"
SAMPLES = "seconds,guest,resident_mib,swap_mib\n" + "1.00,0,900.0,0.0\n1.00,1,300.0,0.0\n" * 1000


def sh(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True)


def inside(namespace: str) -> list[str]:
    """Enter a network namespace and no other: `ip netns exec` would hide the cgroups."""
    return ["nsenter", f"--net=/run/netns/{namespace}"]


@contextlib.contextmanager
def network(hosts: int, folder: Path) -> Iterator[None]:
    """A controller's namespace with a bridge, and a namespace with sshd for each host."""
    names = [f"{PREFIX}{number}" for number in range(hosts + 1)]
    servers = []
    try:
        sh("ip", "netns", "add", names[0])
        controller = ("ip", "-n", names[0])
        sh(*controller, "link", "add", "bridge", "type", "bridge")
        sh(*controller, "addr", "add", "192.0.2.254/24", "dev", "bridge")
        sh(*controller, "link", "set", "bridge", "up")
        for number, name in enumerate(names[1:], start=1):
            sh("ip", "netns", "add", name)
            sh(
                *controller,
                "link",
                "add",
                f"h{number}",
                "type",
                "veth",
                "peer",
                "eth0",
                "netns",
                name,
            )
            sh(*controller, "link", "set", f"h{number}", "master", "bridge", "up")
            sh("ip", "-n", name, "addr", "add", f"192.0.2.{number}/24", "dev", "eth0")
            sh("ip", "-n", name, "link", "set", "eth0", "up")
            servers.append(sshd(name, f"192.0.2.{number}", folder))
        for number in range(1, hosts + 1):
            wait_for_server(names[0], f"192.0.2.{number}")
        yield
    finally:
        for server in servers:
            server.terminate()
            server.wait()
        for name in names:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)


def sshd(name: str, address: str, folder: Path) -> subprocess.Popen[bytes]:
    Path("/run/sshd").mkdir(exist_ok=True)
    options = {
        "ListenAddress": address,
        "HostKey": folder / "host_key",
        "AuthorizedKeysFile": folder / "key.pub",
        "StrictModes": "no",
        "PidFile": "none",
        "UsePAM": "no",
        "MaxStartups": "100",
        "PermitRootLogin": "prohibit-password",
        "PasswordAuthentication": "no",
    }
    words = [f"-o{key}={value}" for key, value in options.items()]
    command = [*inside(name), "/usr/sbin/sshd", "-D", "-q", "-f", "/dev/null", *words]
    return subprocess.Popen(command)


def wait_for_server(namespace: str, address: str) -> None:
    deadline = time.monotonic() + 30
    while (
        subprocess.run(
            [*inside(namespace), "ssh-keyscan", "-T", "1", address],
            capture_output=True,
            check=False,
        ).stdout
        == b""
    ):
        if time.monotonic() > deadline:
            raise SystemExit(f"The SSH server at {address} does not answer.")


def lay_out_runs(folder: Path, host: str, count: int) -> list[dict[str, Any]]:
    """Finished runs on one host, and what to ask for to get them."""
    kernel = folder / "kernel"
    kernel.write_bytes(b"no kernel")
    manifest = {
        "key": "0" * 64,
        "release": "0",
        "sha256": hashlib.sha256(kernel.read_bytes()).hexdigest(),
        "debug_options": [],
    }
    artifact = {"path": str(kernel), "manifest": manifest}
    requests = []
    for number in range(count):
        run_id = f"{host}-node0.b{number + 1}.none.memhog"
        arguments = {
            "study": "orchestration",
            "run_id": run_id,
            "cell": {
                "name": f"{host}-node0",
                "host": host,
                "node": 0,
                "memory_mib": 960,
                "swap_mib": 0,
            },
            "block": number + 1,
            "order": 1,
            "arm": {"name": "none", "mechanism": "none"},
            "workload": "memhog",
            "parameters": {
                "guest_memory_mib": 384,
                "guest_vcpus": 1,
                "guests": 3,
                "memhog_mib": 320,
                "pause_seconds": 3,
            },
            "accelerator": "tcg",
            "guest_kernel": artifact,
            "guest_image": artifact,
            "user": "nobody",
            "state_dir": str(folder / host),
            "versions": {"version": "benchmark"},
        }
        finish(arguments)
        requests.append(arguments)
    return requests


def finish(arguments: dict[str, Any]) -> None:
    """Leave what a runner leaves, for the request that the module will make of `arguments`."""
    given = ArgumentSpecValidator(run_module.ARGUMENTS).validate(arguments)
    if given.error_messages:
        raise SystemExit("; ".join(given.error_messages))
    request = run_module._request(given.validated_parameters)
    folder = Path(request["state_dir"]) / "runs" / request["study"] / request["run_id"]
    folder.mkdir(parents=True)
    _record.write_json(folder / "request.json", request)
    record = _record.new_record(request)
    guests = [{"guest": k, "seconds": 1.0, "swap_after_mib": 0.0} for k in (1, 2, 3)]
    record["outcome"] = {"status": "finished", "reason": None}
    record["result"] = {"guests": guests, "swap_end_mib": 0.0, "swap_peak_mib": 0.0}
    record["files"]["samples"] = "samples.csv"
    (folder / "samples.csv").write_text(SAMPLES)
    _record.write_json(folder / "record.json", record)


def play(folder: Path, hosts: int, runs: int) -> tuple[float, float]:
    """Wall and CPU seconds of the controller for `runs` runs on each of `hosts` hosts."""
    results = Path(tempfile.mkdtemp(dir=folder))
    variables = {"run_count": runs, "results_dir": str(results)}
    command = [
        *inside(f"{PREFIX}0"),
        *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(folder / "hosts.json")),
        *("-e", f"@{folder / 'requests.json'}", "-e", json.dumps(variables)),
        str(ROOT / "benchmarks" / "orchestration.yml"),
    ]
    environment = {
        **os.environ,
        "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
        # Connections of one measurement must not serve, or outlive, the next one's.
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(results / "ssh"),
        "ANSIBLE_SSH_ARGS": "-o ControlMaster=auto -o ControlPersist=2s",
    }
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    fetched = len(list((results / "runs").glob("*/record.json")))
    if ended.returncode or fetched != hosts * runs:
        told = ended.stdout[-3000:] + ended.stderr[-3000:]
        raise SystemExit(f"{fetched} of {hosts * runs} runs arrived:\n{told}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu


def measure(hosts: int, few: int, many: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="hintfleet-orchestration-"))
    try:
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key")
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "host_key")
        names = [f"host{number}" for number in range(1, hosts + 1)]
        requests = {name: lay_out_runs(folder, name, many) for name in names}
        (folder / "requests.json").write_text(json.dumps({"requests": requests}))
        inventory = {
            "all": {
                "hosts": {
                    name: {"ansible_host": f"192.0.2.{number}"}
                    for number, name in enumerate(names, start=1)
                },
                "vars": {
                    "ansible_user": "root",
                    "ansible_ssh_private_key_file": str(folder / "key"),
                    "ansible_ssh_common_args": "-o StrictHostKeyChecking=no "
                    f"-o UserKnownHostsFile={folder / 'known_hosts'}",
                    "ansible_python_interpreter": sys.executable,
                },
            }
        }
        (folder / "hosts.json").write_text(json.dumps(inventory))
        with network(hosts, folder):
            wall_few, cpu_few = play(folder, hosts, few)
            wall_many, cpu_many = play(folder, hosts, many)
    finally:
        shutil.rmtree(folder)
    more = hosts * (many - few)
    print(
        f"{hosts:5d} {hosts * many:6d} {wall_many:8.1f} {cpu_many:8.1f} "
        f"{(wall_many - wall_few) / more:15.2f} {(cpu_many - cpu_few) / more:14.2f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hosts", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--few", type=int, default=2, help="runs a host in the short playbook")
    parser.add_argument("--many", type=int, default=10, help="runs a host in the long playbook")
    arguments = parser.parse_args()
    if os.geteuid() != 0:
        raise SystemExit("Network namespaces need root: run this as root.")
    if not Path("/usr/sbin/sshd").exists():
        raise SystemExit("There is no /usr/sbin/sshd: install openssh-server.")
    print("hosts   runs   wall s    CPU s   wall s per run  CPU s per run")
    for hosts in arguments.hosts:
        measure(hosts, arguments.few, arguments.many)


if __name__ == "__main__":
    main()
