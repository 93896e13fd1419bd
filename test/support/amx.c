/*
 * AMX's matrix instructions in software, for processors that have AVX-512 but not AMX: what llama.cpp computes on a Xeon that
 * has them is seen on others. LD_PRELOAD takes it into a process; ggml then finds its build for Sapphire Rapids the best.
 * Built by amx.ts, for tests alone. Encodings and meanings are those of Intel's manual, volume 2, chapter "Intel AMX".
 *
 * A processor without AMX raises SIGILL at each of its instructions. They come in rows, of which a signal runs as many as follow.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

enum { ARCH_REQ_XCOMP_PERM = 0x1023, TILE_DATA = 18 };

/* The second byte pair of an instruction's prefix: which of those that share an opcode it is. */
enum { NONE, P66, PF3, PF2 };

struct tile {
  uint8_t rows[16][64];
};

static __thread struct tile tiles[8];
/* As LDTILECFG reads it: bytes a row at 16, two bytes each; rows at 48. */
static __thread uint8_t config[64];

static int bytes_of(int tile) { return *(const uint16_t *)(config + 16 + 2 * tile); }
static int rows_of(int tile) { return config[48 + tile]; }

static int64_t number(const greg_t *registers, int i) {
  static const int order[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  return registers[order[i]];
}

/* TDPB[SU][SU]D: to each of 32 bits of `into`, products of four bytes of a row of `a` and of a column of `b`. */
static void multiply(int into, int a, int b, int a_signed, int b_signed) {
  struct tile *to = &tiles[into];
  const int inner = bytes_of(a) / 4, columns = bytes_of(into) / 4;
  for (int m = 0; m < 16; m++) {
    int32_t *sums = (int32_t *)to->rows[m];
    if (m >= rows_of(into)) memset(sums, 0, 64);
    else
      for (int k = 0; k < inner; k++)
        for (int n = 0; n < columns; n++)
          for (int i = 0; i < 4; i++) {
            const uint8_t p = tiles[a].rows[m][4 * k + i], q = tiles[b].rows[k][4 * n + i];
            sums[n] += (a_signed ? (int8_t)p : p) * (b_signed ? (int8_t)q : q);
          }
  }
}

/* Run the instruction at `ip`; its length, 0 where it is none of AMX's. */
static int run(const uint8_t *ip, const greg_t *registers) {
  if (ip[0] != 0xC4 || (ip[1] & 0x1F) != 2 || (ip[2] & 0x84)) return 0;
  const int prefix = ip[2] & 3, source = (~ip[2] >> 3) & 7, opcode = ip[3];
  const int mod = ip[4] >> 6, tile = (ip[4] >> 3) & 7, low = ip[4] & 7;
  const int high_index = ip[1] & 0x40 ? 0 : 8, high_base = ip[1] & 0x20 ? 0 : 8;
  int length = 5;
  uint8_t *address = 0;
  int64_t stride = 0;
  if (mod != 3) {
    const int scaled = low == 4, base = scaled ? ip[length] & 7 : low;
    if (scaled) {
      const int index = ((ip[length] >> 3) & 7) | high_index;
      if (index != 4) stride = number(registers, index) << (ip[length] >> 6);
      length++;
    }
    const int wide = mod == 2 || (mod == 0 && base == 5);
    const int64_t offset = wide ? *(const int32_t *)(ip + length) : mod == 1 ? (int8_t)ip[length] : 0;
    length += wide ? 4 : mod == 1;
    if (mod == 0 && base == 5) address = scaled ? 0 : (uint8_t *)ip + length;
    else address = (uint8_t *)number(registers, base | high_base);
    address += offset;
  }
  if (opcode == 0x49 && mod == 3 && prefix == PF2) memset(&tiles[tile], 0, sizeof tiles[tile]); /* TILEZERO */
  else if (opcode == 0x49 && prefix == NONE) { /* LDTILECFG, TILERELEASE */
    if (mod == 3) memset(config, 0, sizeof config);
    else memcpy(config, address, sizeof config);
    memset(tiles, 0, sizeof tiles);
  } else if (opcode == 0x49 && mod != 3 && prefix == P66) memcpy(address, config, sizeof config); /* STTILECFG */
  else if (opcode == 0x4B && mod != 3 && (prefix == PF2 || prefix == P66)) { /* TILELOADD, TILELOADDT1 */
    memset(&tiles[tile], 0, sizeof tiles[tile]);
    for (int i = 0; i < rows_of(tile); i++) memcpy(tiles[tile].rows[i], address + i * stride, bytes_of(tile));
  } else if (opcode == 0x4B && mod != 3 && prefix == PF3) { /* TILESTORED */
    for (int i = 0; i < rows_of(tile); i++) memcpy(address + i * stride, tiles[tile].rows[i], bytes_of(tile));
  } else if (opcode == 0x5E && mod == 3) multiply(tile, low, source, prefix & 2, prefix & 1);
  else return 0;
  return length;
}

static struct sigaction before;

static void illegal(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  int length = run((const uint8_t *)registers[REG_RIP], registers);
  if (length == 0) sigaction(SIGILL, &before, 0); /* comes again, to whom it concerns */
  for (; length > 0; length = run((const uint8_t *)registers[REG_RIP], registers)) registers[REG_RIP] += length;
}

__attribute__((constructor)) static void begin(void) {
  struct sigaction action = {.sa_sigaction = illegal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGILL, &action, &before);
}

static int best(void) { return 1 << 20; }

/* ggml asks each of its builds how well it fits the processor. */
void *dlsym(void *library, const char *name) {
  static void *(*real)(void *, const char *);
  if (!real) real = dlvsym(RTLD_NEXT, "dlsym", "GLIBC_2.2.5");
  void *found = real(library, name);
  Dl_info from;
  return found && !strcmp(name, "ggml_backend_score") && dladdr(found, &from) && strstr(from.dli_fname, "sapphirerapids")
             ? (void *)best
             : found;
}

/* It asks Linux for the room of tiles, too. */
long syscall(long call, ...) {
  static long (*real)(long, ...);
  if (!real) real = dlsym(RTLD_NEXT, "syscall");
  long words[6];
  va_list list;
  va_start(list, call);
  for (int i = 0; i < 6; i++) words[i] = va_arg(list, long);
  va_end(list);
  if (call == SYS_arch_prctl && words[0] == ARCH_REQ_XCOMP_PERM && words[1] == TILE_DATA) return 0;
  return real(call, words[0], words[1], words[2], words[3], words[4], words[5]);
}
