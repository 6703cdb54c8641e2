#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The rows of the tunnel as a whole: two namespaces, a process at each end, iperf3 through it.

Ennead at both ends and wireguard-go at both ends take turns, so that a slow spell of the machine
meets both; the figure is the median of the turns. See README.md.
"""
import argparse
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path

TOP = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOP / "tests/interop/wireguard"))

import lab  # noqa: E402
import peers  # noqa: E402

PEER = "wireguard-go"
KINDS = {"Ennead": peers.Ennead, PEER: peers.WireguardGo}
TCP, CPU, FLOOD = "wireguard.tunnel.tcp", "wireguard.tunnel.cpu", "wireguard.tunnel.flood"
BARS = [(TCP, "times " + PEER, "ratio_peer", 1.5), (CPU, "times " + PEER, "ratio_peer", 2),
        (FLOOD, "of its throughput", "ratio_limit", 0.8)]
FLOOD_RATE = 100_000


class Tunnel:
    """Two namespaces with a tunnel between them."""

    def __init__(self, kind, folder):
        self.lab = lab.Lab()
        self.left, self.right = self.lab.namespace(), self.lab.namespace()
        self.near, self.far = self.lab.link(self.left, self.right)
        a, b = peers.new_node(1), peers.new_node(2)
        make = KINDS[kind]
        self.b = make(self.right, b, folder).start([peers.Remote(a)])
        self.a = make(self.left, a, folder).start(
            [peers.Remote(b, peers.endpoint(self.far.address(4)))])
        # Where the flood claims to come from: answers go to the left side, which drops them.
        self.right.ip("route add 10.200.0.0/16 via %s" % self.near.address(4))
        self.left.run("ping", "-c", 2, "-i", 0.2, b.inner(4))

    def cpu(self):
        return self.a.cpu() + self.b.cpu()

    def stream(self, seconds):
        """One TCP stream from left to right: (bits a second, bytes for each CPU second)."""
        target = self.b.node.inner(4)
        server = self.right.start("iperf3", "-s", "-1", "--forceflush", "-B", target)
        server.wait_for("listening")
        before = self.cpu()
        text = self.left.run("iperf3", "-J", "-c", target, "-t", seconds, limit=seconds + 30,
                             check=False)
        used = self.cpu() - before
        server.finish()
        report = json.loads(text)
        if "error" in report:
            raise lab.CommandFailed(report["error"])
        got = report["end"]["sum_received"]
        return got["bits_per_second"], got["bytes"] / used

    def flood(self, program, seconds, rate=FLOOD_RATE, closed=False):
        """Spoofed initiations to the right end: to its WireGuard port, or (closed) to a socket that
        nobody reads, so that only the sender and the kernel cost anything."""
        port = self.b.node.port + 1 if closed else self.b.node.port
        return self.left.start(program, self.far.address(4), port, self.b.node.public_key,
                               "10.200.0.1", 1000, rate, seconds)

    def close(self):
        self.lab.close()


# ---- rows ---------------------------------------------------------------------------------------------


def row(name, unit, ours, peer, limit=None):
    def over(a, b):
        return a / b if a is not None and b else None
    return {"name": name, "unit": unit, "ours": ours, "peer": peer, "peer_name": PEER,
            "limit": limit, "ratio_peer": over(ours, peer), "ratio_limit": over(ours, limit)}


def median(values):
    return statistics.median(values) if values else None


def wanted(options, name):
    return not options.only or any(name.startswith(p) for p in options.only)


def race(options, folder):
    """TCP and CPU rows: both kinds in turns."""
    speed, work = {k: [] for k in KINDS}, {k: [] for k in KINDS}
    for turn in range(options.turns):
        for kind in options.kinds:
            tunnel = Tunnel(kind, folder)
            try:
                bits, per_second = tunnel.stream(options.seconds)
            finally:
                tunnel.close()
            speed[kind].append(bits / 1e9)
            work[kind].append(per_second / 1e6)
            print("turn %2d  %-13s %7.3f Gbit/s  %8.1f MB per CPU second" %
                  (turn + 1, kind, speed[kind][-1], work[kind][-1]), flush=True)
    return [row(TCP, "Gbit/s", median(speed["Ennead"]), median(speed[PEER])),
            row(CPU, "MB/CPU-s", median(work["Ennead"]), median(work[PEER]))]


def newcomer(tunnel, folder):
    """Seconds until a new peer, added while the flood goes on, has its first answer."""
    node = peers.new_node(3, port=peers.PORT + 7)
    tunnel.b.wg("set", tunnel.b.node.name, "peer", node.public_key, "allowed-ips",
                "%s/32" % node.inner(4))
    tunnel.right.ip("route add %s/32 dev %s" % (node.inner(4), tunnel.b.node.name))
    node.addresses = [node.inner(4)]
    remote = peers.Remote(tunnel.b.node, peers.endpoint(tunnel.far.address(4)),
                          allowed=["10.99.0.1/32"])
    # The stream's namespace already reaches the right end's inner address: this peer uses another.
    tunnel.right.ip("addr add 10.99.0.1/32 dev %s" % tunnel.b.node.name)
    begin = time.monotonic()
    peers.WireguardGo(tunnel.left, node, folder).start([remote])
    tunnel.left.run("ping", "-c", 1, "-W", 25, "-I", node.inner(4), "10.99.0.1", limit=30)
    return time.monotonic() - begin


def flood(options, folder):
    """What a stream keeps of its throughput while the far end is flooded. The figure without the flood
    is measured with the same messages sent to a socket that nobody reads."""
    program = peers.PROGRAMS / "wireguard-flood"
    if not program.exists():
        print("flood: skipped, %s is not built" % program)
        return []
    result = {}
    for kind in options.kinds:
        kept = {True: [], False: []}
        tunnel = Tunnel(kind, folder)
        try:
            sink = tunnel.right.start(
                "/usr/bin/python3", "-c",
                "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
                "s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)\n"
                "s.bind(('', %d))\ntime.sleep(600)" % (tunnel.b.node.port + 1))
            time.sleep(0.3)
            for _ in range(max(2, options.turns // 2)):
                for closed in (True, False):
                    sender = tunnel.flood(program, options.seconds + 2.5, closed=closed)
                    time.sleep(0.5)
                    bits, _ = tunnel.stream(options.seconds)
                    sender.finish(options.seconds + 20)
                    rate = int(sender.out) / (options.seconds + 2.5)
                    kept[closed].append(bits / 1e9)
                    print("flood %-13s %s %7.3f Gbit/s, %d initiations/s" %
                          (kind, "beside" if closed else "at it ", kept[closed][-1], rate),
                          flush=True)
            sender = tunnel.flood(program, 25)
            time.sleep(0.5)
            try:
                print("flood %-13s a new peer is connected after %.1f s" %
                      (kind, newcomer(tunnel, folder)), flush=True)
            except lab.CommandFailed as why:
                print("flood %-13s NO new peer came through: %s" % (kind, why), flush=True)
                kept[False] = [0.0]
            sender.kill()
            sink.kill()
        finally:
            tunnel.close()
        result[kind] = median(kept[False]), median(kept[True])
    ours, free = result.get("Ennead", (None, None))
    return [row(FLOOD, "Gbit/s", ours, result.get(PEER, (None, None))[0], free)]


def show(rows):
    print("\n%-28s %10s %10s %10s %8s %8s" % ("", "Ennead", "peer", "limit", "x peer", "x limit"))
    for r in rows:
        cells = ["-" if r[k] is None else "%.3f" % r[k]
                 for k in ("ours", "peer", "limit", "ratio_peer", "ratio_limit")]
        print("%-28s %10s %10s %10s %8s %8s  %s" % (r["name"], *cells, r["unit"]))


def show_bars(rows):
    found = {r["name"]: r for r in rows}
    print("\nBars")
    for name, text, key, bound in BARS:
        if name in found and found[name][key] is not None:
            have = found[name][key]
            print("%-8s %-32s %s: %.3g (bar: at least %g)" %
                  ("holds" if have >= bound else "MISSED", name, text, have, bound))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", default=[],
                        help="rows whose name begins so (also separated by commas)")
    parser.add_argument("--json", help="write the rows to this file")
    parser.add_argument("--bars", action="store_true", help="say which bars hold")
    parser.add_argument("--turns", type=int, default=5, help="of each contender")
    parser.add_argument("--seconds", type=float, default=4, help="of one stream")
    parser.add_argument("--alone", choices=list(KINDS), help="one contender")
    options = parser.parse_args()
    options.only = [p for text in options.only for p in re.split(",", text) if p]
    options.kinds = [options.alone] if options.alone else list(KINDS)
    reason = None
    if os.geteuid() != 0:
        reason = "network namespaces need root"
    lacking = peers.missing("ip", "wg", "wireguard-go", "iperf3", "ping")
    if lacking:
        reason = "%s is not installed" % lacking
    if reason:
        print("wireguard.tunnel: SKIPPED, " + reason)
        return 0
    rows = []
    with tempfile.TemporaryDirectory(prefix="ennead-bench-") as folder:
        if wanted(options, TCP) or wanted(options, CPU):
            rows += race(options, folder)
        if wanted(options, FLOOD):
            rows += flood(options, folder)
    show(rows)
    if options.bars:
        show_bars(rows)
    if options.json:
        Path(options.json).write_text(json.dumps(rows, indent=2) + "\n", encoding="ascii")
    return 0


if __name__ == "__main__":
    sys.exit(main())
