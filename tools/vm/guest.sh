#!/bin/bash
# Second stage, on the host's root: the usual file systems, then the command. Its exit code goes to the second serial
# port, and the machine powers off on every path (an exit of process 1 panics, which ends QEMU too).
off() { sync; /run/vm/busybox poweroff -f; sleep 60; }
trap off EXIT
set -e

. /run/vm/command
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=666 devpts /dev/pts
mount -t tmpfs shm /dev/shm
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mkdir -p "/usr/lib/modules/$release"
mount --bind "$modules" "/usr/lib/modules/$release"
# Where bpftool and others look for the kernel's options.
mkdir -p /boot && cp "$config" "/boot/config-$release"
ip link set lo up
# Addresses appear with names in logs; the host's own hosts file may not know this machine.
hostname vm

cd "$project"
export HOME=/root TERM=dumb LANG=C.UTF-8 NO_COLOR=1 CILIUM_TS_VM=1
set +e
# Through a pipe: the console is a terminal, for which programs draw and redraw.
"${command[@]}" </dev/null 2>&1 | cat
echo "exit ${PIPESTATUS[0]}" >/dev/ttyS1
