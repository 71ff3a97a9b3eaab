#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Called by mmdebstrap with the folder of a freshly installed Debian: makes it an emulated host.
set -eu
root=$1
here=$(dirname "$(readlink -f "$0")")

# The image holds no key: each host is handed its own.
rm -f "$root"/etc/ssh/ssh_host_*
cp -R "$here/tree/." "$root/"
chown -R 0:0 "$root/etc" "$root/usr/local"
chmod -R go+rX "$root/etc/systemd" "$root/etc/initramfs-tools" "$root/etc/ssh/sshd_config.d" "$root/usr/local/sbin"

chroot "$root" systemctl --quiet enable systemd-networkd.service hintfleet-identity.service
# Nothing that works at a time of its own choosing: it would disturb what is measured.
chroot "$root" systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer \
  dpkg-db-backup.timer e2scrub_all.timer fstrim.timer systemd-networkd-wait-online.service
chroot "$root" update-initramfs -u
