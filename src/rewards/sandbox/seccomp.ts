/** @file What a program under bubblewrap may ask of the kernel. */

/**
 * A seccomp filter in classic BPF: threads may start, processes may not; no sockets, no tracing, no namespaces, nothing that
 * reaches another process (signals, priorities, its memory) or is shared with one (System V objects, keys, memory files).
 * Each instruction is code u16, jump-if-true u8, jump-if-false u8, operand u32.
 */
export function seccomp(arch = process.arch): Buffer | undefined {
  const machine = SYSCALLS[arch];
  if (!machine) return undefined;
  const [LOAD, EQUAL, ABOVE, BITS, RETURN] = [0x20, 0x15, 0x35, 0x45, 0x06];
  const [ALLOW, KILL, EPERM, ENOSYS] = [0x7fff0000, 0x80000000, 0x00050001, 0x00050026];
  const CLONE_THREAD = 0x10000;
  const program: [number, number, number, number][] = [
    [LOAD, 0, 0, 4], // the architecture
    [EQUAL, 1, 0, machine.audit],
    [RETURN, 0, 0, KILL],
    [LOAD, 0, 0, 0], // the number of the call
    [ABOVE, 0, 1, 0x40000000], // the x32 calls
    [RETURN, 0, 0, KILL],
    [EQUAL, 0, 1, machine.clone3],
    [RETURN, 0, 0, ENOSYS],
    ...machine.denied.flatMap((call): typeof program => [
      [EQUAL, 0, 1, call],
      [RETURN, 0, 0, EPERM],
    ]),
    // limits of one's own only
    [EQUAL, 0, 3, machine.prlimit],
    [LOAD, 0, 0, 16], // the process
    [EQUAL, 1, 0, 0],
    [RETURN, 0, 0, EPERM],
    [LOAD, 0, 0, 0],
    [EQUAL, 0, 3, machine.clone],
    [LOAD, 0, 0, 16], // its flags
    [BITS, 1, 0, CLONE_THREAD],
    [RETURN, 0, 0, EPERM],
    [RETURN, 0, 0, ALLOW],
  ];
  const bytes = Buffer.alloc(program.length * 8);
  program.forEach(([code, yes, no, operand], i) => {
    bytes.writeUInt16LE(code, i * 8);
    bytes.writeUInt8(yes, i * 8 + 2);
    bytes.writeUInt8(no, i * 8 + 3);
    bytes.writeUInt32LE(operand, i * 8 + 4);
  });
  return bytes;
}

const SYSCALLS: Record<string, { audit: number; clone: number; clone3: number; prlimit: number; denied: number[] }> = {
  // fork vfork execve execveat socket socketpair ptrace mount umount2 unshare setns bpf perf_event_open keyctl add_key
  // request_key userfaultfd io_uring_setup process_vm_readv process_vm_writev pidfd_open pidfd_getfd pidfd_send_signal
  // kill tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo setpriority sched_setparam sched_setscheduler sched_setaffinity
  // sched_setattr ioprio_set migrate_pages move_pages memfd_create memfd_secret shmget shmat shmctl semget msgget mq_open
  x64: {
    audit: 0xc000003e,
    clone: 56,
    clone3: 435,
    prlimit: 302,
    denied: [
      ...[57, 58, 59, 322, 41, 53, 101, 165, 166, 272, 308, 321, 298, 250, 248, 249, 323, 425, 310, 311, 434, 438, 424],
      ...[62, 200, 234, 129, 297, 141, 142, 144, 203, 314, 251, 256, 279, 319, 447, 29, 30, 31, 64, 68, 240],
    ],
  },
  arm64: {
    audit: 0xc00000b7,
    clone: 220,
    clone3: 435,
    prlimit: 261,
    denied: [
      ...[221, 281, 198, 199, 117, 40, 39, 97, 268, 280, 241, 219, 217, 218, 282, 425, 270, 271, 434, 438, 424],
      ...[129, 130, 131, 138, 240, 140, 118, 119, 122, 274, 30, 238, 239, 279, 447, 194, 196, 195, 190, 186, 180],
    ],
  },
};
