#!/usr/bin/env bash
# The only file that knows QEMU's flags: boots an arm64 Image on the `virt` machine with its console on stdio.
# Its exit status is the guest's (semihosting's SYS_EXIT_EXTENDED; an ordinary power-off is 0), 124 after
# --timeout, 141 when nobody reads its output any more, 2 for wrong options, 127 without QEMU.
#
# On a terminal the guest gets every key, ^C too; ^A x ends QEMU, ^A h helps. Otherwise standard input, whatever
# it is, is the console's input, byte for byte. Where no terminal shows the output it is without carriage returns.
set -euo pipefail

readonly USAGE='usage: qemu.sh [OPTION]...
  --smp N          CPUs, 1 to 8 (default 2)
  --mem SIZE       memory, as 512M or 2G (default 512M)
  --icount         one instruction is one virtual nanosecond: runs repeat exactly; one CPU unless --smp is given
  --cpu MODEL      CPU model (default cortex-a72)
  --image FILE     kernel, a raw arm64 Image (default target/postern/Image)
  --initrd FILE    newc initramfs, or "none" (default target/postern/initramfs.cpio)
  --append STRING  kernel command line
  --timeout S      end the guest after S seconds with status 124
  --user-exit      semihosting for programs too: where the kernel makes no such call, init tells its status itself
  --check          only say whether the options are right
  --plugin SPEC    a plugin for QEMU: FILE[,NAME=VALUE]...
  --gdb            wait for gdb on localhost:1234 before the first instruction
  --help           this text'

here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
readonly here
readonly QEMU="${POSTERN_QEMU:-qemu-system-aarch64}"

smp='' mem=512M cpu=cortex-a72 append='' timeout_s='' icount=no gdb=no check=no plugin='' semihosting='enable=on,target=native'
image="$here/target/postern/Image" initrd="$here/target/postern/initramfs.cpio"

wrong() {
	printf 'qemu.sh: %s\n' "$1" >&2
	exit "${2:-2}"
}

matches() {
	[[ $2 =~ $3 ]] || wrong "$1: '$2' is not $4"
}

parse() {
	while [[ $# -gt 0 ]]; do
		local option=$1
		shift
		case $option in
		--icount) icount=yes; continue ;;
		--gdb) gdb=yes; continue ;;
		--user-exit) semihosting+=,userspace=on; continue ;;
		--check) check=yes; continue ;;
		--help) printf '%s\n' "$USAGE"; exit 0 ;;
		--smp | --mem | --cpu | --image | --initrd | --append | --timeout | --plugin) ;;
		*) wrong "unknown option '$option' (--help lists them)" ;;
		esac
		[[ $# -gt 0 ]] || wrong "$option needs a value"
		case $option in
		--smp) matches "$option" "$1" '^[1-8]$' 'a number from 1 to 8'; smp=$1 ;;
		--mem) matches "$option" "$1" '^[1-9][0-9]*[MG]$' 'a size such as 512M or 2G'; mem=$1 ;;
		--cpu) matches "$option" "$1" '^[a-z0-9][a-z0-9,=-]*$' 'a CPU model'; cpu=$1 ;;
		--image) image=$1 ;;
		--initrd) initrd=$1 ;;
		--append) append=$1 ;;
		--plugin) plugin=$1 ;;
		--timeout) matches "$option" "$1" '^[1-9][0-9]{0,8}$' 'a number of seconds, of up to 9 digits'; timeout_s=$1 ;;
		esac
		shift
	done
}

check_ingredients() {
	command -v "$QEMU" >/dev/null || wrong "no $QEMU here: run 'make setup'" 127
	[[ -f $image ]] || wrong "no kernel image $image: run 'make image'"
	[[ $initrd == none || -f $initrd ]] || wrong "no initramfs $initrd: run 'make image', or give --initrd none"
	[[ -z $plugin || -f ${plugin%%,*} ]] || wrong "no plugin ${plugin%%,*}"
}

# Sets the array `flags`.
assemble() {
	flags=(
		-M "virt,gic-version=3,dtb-randomness=off" -cpu "$cpu" -m "$mem"
		-nic none -display none
		-semihosting-config "$semihosting"
		-kernel "$image"
	)
	if [[ $icount == yes ]]; then
		# Without sleep=off, and with the host's clock, no two runs are alike.
		flags+=(-smp "${smp:-1}" -icount "shift=0,sleep=off" -rtc "base=2026-01-01T00:00:00,clock=vm")
	else
		flags+=(-smp "${smp:-2}" -accel "tcg,thread=multi")
	fi
	[[ $initrd == none ]] || flags+=(-initrd "$initrd")
	[[ -z $append ]] || flags+=(-append "$append")
	[[ -z $plugin ]] || flags+=(-plugin "$plugin")
	[[ $gdb == no ]] || flags+=(-gdb "tcp:127.0.0.1:1234" -S)
	if [[ -t 0 ]]; then
		flags+=(-serial mon:stdio)
	else
		flags+=(-serial stdio -monitor none)
	fi
}

# Hands the output on as it comes, and tells this script when it cannot.
relay() {
	stdbuf -o0 tr -d '\r' || kill -USR1 $$
}

# Runs QEMU as a child, for at most $timeout_s if that is given. A signal to this script is handed on. QEMU itself
# does not mind a closed pipe: the relay does, and then the guest is ended.
run_child() {
	local command=("$QEMU" "${flags[@]}") child relay='' status=0 is_read=yes
	[[ -z $timeout_s ]] || command=(timeout --foreground --kill-after=5 "$timeout_s" "${command[@]}")
	if [[ ! -t 1 ]]; then
		exec > >(relay)
		relay=$!
	fi
	"${command[@]}" <&0 &
	child=$!
	trap 'kill -TERM "$child" 2>/dev/null' INT TERM HUP
	trap 'is_read=no; kill -TERM "$child" 2>/dev/null' USR1
	wait "$child" || status=$?
	if [[ -n $relay ]]; then
		exec >&-
		wait "$relay" || true
		if [[ $is_read == no ]]; then
			wait "$child" || true
			exit 141
		fi
	fi
	# 124 and 137 could be the guest's own as well: the clock tells.
	if [[ -n $timeout_s && $SECONDS -ge $timeout_s && ($status -eq 124 || $status -eq 137) ]]; then
		wrong "the guest was ended after $timeout_s s (--timeout)" 124
	fi
	exit "$status"
}

parse "$@"
[[ $check == no ]] || exit 0
check_ingredients
# A closed standard input would hand its number to the next file that QEMU opens.
[[ -e /proc/self/fd/0 ]] || exec </dev/null
[[ -e /proc/self/fd/1 ]] || exec >/dev/null
assemble
if [[ -n $timeout_s || ! -t 1 ]]; then
	run_child
fi
exec "$QEMU" "${flags[@]}"
