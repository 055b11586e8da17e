#!/bin/busybox sh
# First process of the guest: makes the host's root file system its own, and hands over to guest.sh there.
# Whatever fails powers the machine off: a shell here would hang until the time-out.
bb=/bin/busybox
off() { echo "vm: $1 failed in the initramfs"; $bb sync; $bb poweroff -f; $bb sleep 60; }

$bb mount -t proc proc /proc || off 'mounting /proc'
$bb mount -t devtmpfs dev /dev || off 'mounting /dev'
while read -r module; do
  $bb insmod "/modules/$module" || off "loading $module"
done </modules/order

$bb mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=loose,ro hostroot /lower || off "mounting the host's root"
$bb mount -t tmpfs -o mode=755 upper /upper || off 'mounting a tmpfs'
$bb mkdir /upper/data /upper/work
$bb mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work root /newroot || off 'mounting the overlay'

n=/newroot
$bb mount -t tmpfs -o mode=755 run $n/run && $bb mkdir $n/run/vm &&
  $bb cp /guest /command /bin/busybox $n/run/vm/ || off 'filling /run'
$bb mount -t devtmpfs dev $n/dev || off 'mounting /dev in the root'
$bb umount /dev /proc
exec $bb switch_root $n /bin/bash /run/vm/guest
off 'switch_root'
