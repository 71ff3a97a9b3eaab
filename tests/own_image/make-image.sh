#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Makes a disk that boots by itself, as docs/own-images.md does it by hand: a Debian with systemd, our
# kernel installed in it as a package, and syslinux on a partition of its own.
#
#   make-image.sh SUITE SOURCES KERNEL.deb OUTPUT
#
# SOURCES: a file with lines of apt's sources. OUTPUT receives the disk.
set -eu

suite=$1 sources=$2 kernel=$3 output=$4
boot_mib=48 root_mib=700
work=$(mktemp -d "$(dirname "$output")/image.XXXXXX")
trap 'rm -rf "$work"' EXIT
chmod 0755 "$work"

# The package installs itself: its modules, and its kernel in /boot. What is quoted is for the shell of each hook.
# shellcheck disable=SC2016
mmdebstrap --quiet --variant=essential --format=tar \
	--include=kmod,qemu-guest-agent,systemd-sysv,udev \
	--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
	--dpkgopt=force-unsafe-io --dpkgopt='path-exclude=/usr/share/doc/*' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--customize-hook="upload $kernel /tmp/kernel.deb" \
	--customize-hook='chroot "$1" dpkg --install /tmp/kernel.deb' \
	--customize-hook='rm "$1/tmp/kernel.deb"' \
	--customize-hook='echo "/dev/vda2 / ext4 defaults 0 1" >"$1/etc/fstab"' \
	"$suite" "$work/tree.tar" "$sources"
mkdir "$work/tree"
tar --extract --numeric-owner --exclude='./dev/*' --file="$work/tree.tar" --directory="$work/tree"
mkfs.ext4 -q -F -d "$work/tree" "$work/root.img" "${root_mib}M"

# The partition that the boot loader reads: the kernel and a file that names it.
cp "$work"/tree/boot/vmlinuz-* "$work/vmlinuz"
cat >"$work/syslinux.cfg" <<'END'
DEFAULT hintfleet
LABEL hintfleet
  LINUX vmlinuz
  APPEND root=/dev/vda2 ro console=ttyS0 virtio_balloon.free_page_engine=bitmap
END
# It begins at sector 2048 of the disk, which the boot loader wants to know.
truncate -s "${boot_mib}M" "$work/boot.img"
mformat -i "$work/boot.img" -H 2048 ::
mcopy -i "$work/boot.img" "$work/vmlinuz" "$work/syslinux.cfg" ::
syslinux --install "$work/boot.img"

# The disk: a table of both partitions, the program that starts the active one, and their contents.
truncate -s "$((1 + boot_mib + root_mib))M" "$work/disk.img"
printf '2048,%sM,0c,*\n,,83\n' "$boot_mib" | sfdisk --quiet "$work/disk.img"
dd if=/usr/lib/syslinux/mbr/mbr.bin of="$work/disk.img" conv=notrunc bs=440 count=1 status=none
dd if="$work/boot.img" of="$work/disk.img" conv=notrunc bs=1M seek=1 status=none
dd if="$work/root.img" of="$work/disk.img" conv=notrunc,sparse bs=1M seek="$((1 + boot_mib))" status=none
mv "$work/disk.img" "$output"
