# SPDX-License-Identifier: Apache-2.0
"""A virtual machine with Debian's kernel, whose WireGuard is the kernel's own.

The kernel comes out of Debian's linux-image package for cloud machines: the one installed here, or a
package downloaded with apt and unpacked beside the build, never installed. Its initial file system
is made here: busybox, wg, ip, iperf3 and the few modules. QEMU runs it without hardware support,
so it works in a virtual machine too, and boots in a few seconds. An agent in it takes shell
scripts over a serial line.
"""
import base64
import glob
import os
import platform
import re
import shlex
import shutil
import socket
import subprocess
import time
from pathlib import Path

from lab import LIMIT, CommandFailed, command
from peers import Peer, missing, setconf_text
from process import Process

CACHE = Path(os.environ.get("WIREGUARD_VM", Path(__file__).resolve().parents[3] / "build/vm"))
META = "linux-image-cloud-amd64"
MODULES = ["virtio_pci", "virtio_net", "virtio_rng", "wireguard"]
PROGRAMS = ["wg", "ip", "iperf3", "ping"]
BOOT_LIMIT = 60.0

INIT = """#!/bin/busybox sh
/bin/busybox mkdir -p /sbin /usr/bin /usr/sbin
/bin/busybox --install -s /sbin
export PATH=/bin:/sbin HOME=/
mkdir -p /proc /sys /dev /tmp /run /etc /var/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
ln -s /proc/self/fd /dev/fd
ln -s /proc/self/fd/0 /dev/stdin
for module in /modules/*; do insmod "$module"; done
ip link set lo up
echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad
echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad
stty -F /dev/ttyS1 raw -echo
exec < /dev/ttyS1 > /dev/ttyS1
echo ready
while read -r number script; do
	echo "$script" | base64 -d > /tmp/script
	sh /tmp/script > /tmp/out 2> /tmp/err < /dev/null
	echo "$number $? $(base64 < /tmp/out | tr -d '\\n'). $(base64 < /tmp/err | tr -d '\\n')."
done
"""


# ---- what it boots ---------------------------------------------------------------------------------


def installed_kernel():
    """(image, folder of its modules) of a cloud kernel that is installed here, or None."""
    for image in sorted(glob.glob("/boot/vmlinuz-*-cloud-amd64"), reverse=True):
        modules = Path("/lib/modules") / image.partition("vmlinuz-")[2]
        if modules.is_dir() and os.access(image, os.R_OK):
            return Path(image), modules
    return None


def unpacked_kernel(folder):
    found = sorted(folder.glob("boot/vmlinuz-*-cloud-amd64"), reverse=True)
    if not found:
        return None
    return found[0], folder / "lib/modules" / found[0].name.partition("vmlinuz-")[2]


def fetch_kernel(folder):
    """Downloads the package that the meta package names, and unpacks it. Says why it cannot."""
    shown = command(["apt-cache", "depends", "--no-recommends", META], check=False)
    names = re.findall(r"Depends: (linux-image-\S+)", shown)
    if not names:
        return "apt knows no %s: run apt-get update" % META
    packages = folder / "packages"
    packages.mkdir(parents=True, exist_ok=True)
    try:
        # As root apt would fetch as a user of its own, who cannot write here.
        subprocess.run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", names[0]],
                       cwd=packages, check=True, timeout=180, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT)
        package = next(packages.glob(names[0] + "_*.deb"))
        subprocess.run(["dpkg-deb", "-x", package, folder], check=True, timeout=120)
        package.unlink()
    except (subprocess.SubprocessError, StopIteration) as why:
        return "%s cannot be had: %s" % (names[0], why)
    return None


def module_files(folder):
    """The modules wanted and those that they need, in the order of loading."""
    files = {p.stem.replace("-", "_"): p for p in folder.rglob("*.ko")}
    order = []

    def add(name):
        path = files.get(name.replace("-", "_"))
        if path is None or path in order:
            return  # built in, or already there
        needs = re.search(rb"\0depends=([^\0]*)\0", b"\0" + path.read_bytes())
        for other in filter(None, needs.group(1).decode().split(",") if needs else []):
            add(other)
        order.append(path)

    for name in MODULES:
        add(name)
    if not any(p.stem == "wireguard" for p in order):
        raise AssertionError("%s has no module wireguard.ko" % folder)
    return order


def build_initrd(modules, target):
    root = target.with_suffix(".tree")
    shutil.rmtree(root, ignore_errors=True)
    (root / "bin").mkdir(parents=True)
    (root / "modules").mkdir()
    for number, path in enumerate(module_files(modules)):
        shutil.copy(path, root / "modules" / ("%02d-%s" % (number, path.name)))
    shutil.copy(shutil.which("busybox"), root / "bin/busybox")
    for name in PROGRAMS:
        source = shutil.which(name)
        shutil.copy(source, root / "bin" / name)
        for library in re.findall(r"(/\S+) \(0x", command(["ldd", source])):
            place = root / library.lstrip("/")
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.exists():
                shutil.copy(library, place)
    (root / "init").write_text(INIT, encoding="ascii")
    (root / "init").chmod(0o755)
    subprocess.run("find . | cpio -o -H newc --quiet -R 0:0 | gzip -1", shell=True, cwd=root,
                   check=True, stdout=target.open("wb"), timeout=120)
    shutil.rmtree(root)


def prepare(folder=CACHE):
    """(kernel, initrd), made if need be. Or a reason (str) why there is no machine here."""
    if platform.machine() != "x86_64":
        return "the virtual machine is for x86-64"
    lacking = missing("qemu-system-x86_64", "busybox", "cpio", "gzip", *PROGRAMS)
    if lacking:
        return "%s is not installed" % lacking
    folder.mkdir(parents=True, exist_ok=True)
    found = installed_kernel() or unpacked_kernel(folder)
    if found is None:
        reason = fetch_kernel(folder)
        if reason:
            return reason
        found = unpacked_kernel(folder)
        if found is None:
            return "%s has no kernel in it" % META
    kernel, modules = found
    initrd = folder / "initrd"
    if not initrd.exists() or initrd.stat().st_mtime < Path(__file__).stat().st_mtime:
        build_initrd(modules, initrd)
    return kernel, initrd


# ---- the machine -------------------------------------------------------------------------------------


class VirtualMachine:
    """One that runs, with a network card in a namespace: `tap0` there, `eth0` inside."""

    def __init__(self, namespace, kernel, initrd):
        self.namespace = namespace
        namespace.ip("tuntap add tap0 mode tap", "link set tap0 up")
        host, self.line = socket.socketpair()
        self.line.settimeout(1.0)
        self.begin = time.monotonic()
        self.process = self._launch(host.fileno(), kernel, initrd)
        host.close()
        self.pending = b""
        self.number = 0
        if self._line(BOOT_LIMIT) != "ready":
            raise AssertionError("the agent does not answer\n" + self.process.text())
        self.boot_seconds = time.monotonic() - self.begin

    def _launch(self, fd, kernel, initrd):
        args = self.namespace.inside([
            "qemu-system-x86_64", "-M", "pc", "-accel", "tcg", "-cpu", "max", "-m", "512",
            "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", kernel, "-initrd", initrd,
            "-append", "console=ttyS0 quiet panic=-1 mitigations=off",
            "-serial", "stdio", "-chardev", "socket,id=agent,fd=%d" % fd,
            "-serial", "chardev:agent", "-device", "virtio-rng-pci",
            "-netdev", "tap,id=net0,ifname=tap0,script=no,downscript=no",
            "-device", "virtio-net-pci,netdev=net0,mac=02:00:00:00:00:77"])
        return Process(args, pass_fds=(fd,))

    def _line(self, limit):
        end = time.monotonic() + limit
        while b"\n" not in self.pending:
            if time.monotonic() > end:
                raise CommandFailed("no answer from the virtual machine in %g s\n%s" %
                                    (limit, self.process.text()))
            try:
                piece = self.line.recv(1 << 16)
            except TimeoutError:
                continue
            if not piece:
                raise CommandFailed("the virtual machine ended\n" + self.process.text())
            self.pending += piece
        line, _, self.pending = self.pending.partition(b"\n")
        return line.decode().strip()

    def shell(self, script, limit=LIMIT, check=True):
        """Runs a script in it. Returns its standard output."""
        self.number += 1
        text = base64.b64encode(script.encode()).decode()
        self.line.sendall(("%d %s\n" % (self.number, text)).encode())
        while True:
            fields = self._line(limit).split(" ")
            if fields[0] == str(self.number):
                break
        out, err = (base64.b64decode(f.rstrip(".")).decode() for f in fields[2:4])
        if check and fields[1] != "0":
            raise CommandFailed("in the virtual machine: %s\nexit status %s\n%s%s" %
                                (script, fields[1], out, err))
        return out

    def run(self, *args, stdin=None, limit=LIMIT, check=True):
        words = words_of(args)
        if stdin is not None:
            words += " <<'ENNEAD-END'\n%sENNEAD-END\n" % stdin
        return self.shell(words, limit, check)

    def ip(self, *lines):
        self.shell("/bin/ip -batch - <<'ENNEAD-END'\n%s\nENNEAD-END\n" % "\n".join(lines))

    def start(self, *args):
        """In the background; what was started so ends with stop()."""
        self.shell("%s > /tmp/background 2>&1 & echo $! >> /tmp/pids" %
                   words_of(args))

    def sysctl(self, key, value):
        self.shell("echo %s > /proc/sys/%s" % (value, key))

    def stop(self):
        """Ends what start() left, and takes away what tests have set."""
        self.shell("for p in $(cat /tmp/pids 2>/dev/null); do kill $p 2>/dev/null; done\n"
                   "rm -f /tmp/pids\n"
                   "for i in $(ls /sys/class/net); do\n"
                   "  case $i in lo) ;; eth0) /bin/ip addr flush dev eth0;; *) /bin/ip link del $i;; esac\n"
                   "done\n/bin/ip link set eth0 down\ntrue")

    def close(self):
        self.process.kill()
        self.line.close()


def words_of(args):
    """One shell line; busybox's shell would prefer its own applets to our programs."""
    first = "/bin/" + args[0] if args[0] in PROGRAMS else args[0]
    return " ".join(shlex.quote(str(a)) for a in (first, *args[1:]))


class KernelVM(Peer):
    """The kernel's WireGuard in a virtual machine."""
    kind = "Linux kernel"

    def start(self, remotes):
        self.machine.ip("link add %s type wireguard" % self.node.name)
        self.setconf(remotes)
        self.set_up_interface(remotes)
        return self

    def setconf(self, remotes):
        self.machine.run("wg", "setconf", self.node.name, "/dev/stdin",
                         stdin=setconf_text(self.node, remotes))

    def stop(self):
        self.machine.ip("link del %s" % self.node.name)
