#!/bin/busybox sh
# The guest's first program: reaches the host's root file system, lays a tmpfs over it and runs the command that
# the host left in the control share. What the command prints goes to a virtio port, apart from kernel messages.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev

fail() {
  echo "init: $*" >/dev/console
  poweroff -f
}

for module in /mod/*.ko; do insmod "$module" || fail "cannot load $module"; done

p9=trans=virtio,version=9p2000.L,msize=524288
mount -t 9p -o "$p9,cache=none" ctl /ctl || fail "no control share"
# the host's files do not change under a run in a way that matters, and a cached share can be mapped
mount -t 9p -o "$p9,cache=loose,ro" root /low || fail "no root share"
mount -t tmpfs tmpfs /rw && mkdir /rw/upper /rw/work
mount -t overlay overlay -o lowerdir=/low,upperdir=/rw/upper,workdir=/rw/work /new || fail "no overlay"

# what the host has mounted here would show through
mkdir -p /new/proc /new/sys /new/dev /new/run
mount -t proc proc /new/proc
mount -t sysfs sysfs /new/sys
mount -t devtmpfs devtmpfs /new/dev
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts devpts /new/dev/pts
mount -t tmpfs tmpfs /new/dev/shm
mount -t tmpfs -o mode=755 tmpfs /new/run
mkdir -p /new/run/lock /new/run/ctl
mount -t debugfs debugfs /new/sys/kernel/debug
mount -o bind /ctl /new/run/ctl

modules=$(cat /ctl/modules)/$(uname -r)
mkdir -p "/new/lib/modules/$(uname -r)"
mount -o bind "/low$modules" "/new/lib/modules/$(uname -r)" || fail "no modules in $modules"
ip link set lo up
hostname guest

port=/dev/console
for p in /sys/class/virtio-ports/*; do
  [ "$(cat "$p/name" 2>/dev/null)" = command ] && port=/dev/${p##*/}
done
# Moved to the root before, as switch_root does: in a chroot the kernel gives nobody a user namespace.
(cd /new && mount --move . / && exec chroot . /bin/bash /run/ctl/command) </dev/null >"$port" 2>&1
echo $? >/ctl/status.new
dmesg >/ctl/dmesg
mv /ctl/status.new /ctl/status
sync
poweroff -f
