#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Make the disk image of an emulated NUMA host.
#
#   build-image.sh SUITE MIRROR PACKAGES(comma separated) DISK_MIB OUTPUT_FOLDER
#
# OUTPUT_FOLDER receives packages.txt, vmlinuz, initrd.img and, last, disk.raw.
set -eu

# What is mounted in the tree is mounted for this script alone and goes with it, however it ends.
[ "${IN_OWN_MOUNTS:-}" ] || IN_OWN_MOUNTS=1 exec unshare --mount --propagation private "$0" "$@"
suite=$1 mirror=$2 packages=$3 disk_mib=$4 output=$5
here=$(dirname "$(readlink -f "$0")")

mkdir -p "$output"
work=$(mktemp -d "$output/build.XXXXXX")
trap 'rm -rf --one-file-system "$work"' EXIT
trap 'exit 1' HUP INT TERM
# apt reads what lies here as a user of its own.
chmod 0755 "$work"
tree=$work/tree

# Documentation and translations would be a good part of the image. Recommended packages are left
# out by mmdebstrap itself.
mmdebstrap --quiet --mode=root --variant=minbase --include="$packages" \
  --dpkgopt=force-unsafe-io \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --customize-hook="$here/customize.sh" \
  "$suite" "$tree" "$mirror"

chroot "$tree" dpkg-query --show >"$output/packages.txt"
cp "$tree"/boot/vmlinuz-* "$output/vmlinuz"
cp "$tree"/boot/initrd.img-* "$output/initrd.img"
mkfs.ext4 -q -F -L lab -d "$tree" "$work/disk.raw" "${disk_mib}M"
# Where the disk lies, the image is complete.
mv "$work/disk.raw" "$output/disk.raw"
