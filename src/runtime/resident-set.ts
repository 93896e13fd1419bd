/** A watch over the process's resident set, from now until it is stopped. */
export function watchResidentSet(): { stop(): void; peak_mb(): number } {
  const before = process.resourceUsage().maxRSS; // KiB; of the whole process, also of what came earlier
  let peak = process.memoryUsage.rss();
  const timer = setInterval(() => {
    peak = Math.max(peak, process.memoryUsage.rss());
  }, 50);
  timer.unref();
  return {
    stop: () => clearInterval(timer),
    peak_mb() {
      const after = process.resourceUsage().maxRSS;
      return after > before ? after / 1024 : peak / 2 ** 20;
    },
  };
}
