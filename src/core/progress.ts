/** @file One line that shows how long work goes on: rewritten in place on a terminal, a plain line now and then elsewhere. */

export type Progress = {
  /** `done` of the total, which may turn out to be another one; `details` go behind it. */
  update(done: number, details?: string, newTotal?: number): void;
  /** Leave the last line standing. */
  end(): void;
};

const PLAIN_INTERVAL = 15_000; // ms between plain lines

/** Progress of `total` units of work, `unit` in words ("step"), of which `from` were done before. */
export function startProgress(
  title: string,
  total: number,
  unit: string,
  from = 0,
  out: NodeJS.WriteStream = process.stderr,
): Progress {
  const start = performance.now();
  let last = out.isTTY ? Number.NEGATIVE_INFINITY : start - PLAIN_INTERVAL + 3000;
  let line = "";
  return {
    update(done, details = "", newTotal = total) {
      total = newTotal;
      const now = performance.now();
      const seconds = (now - start) / 1000;
      const rate = (done - from) / seconds;
      const eta = done > from ? formatDuration((total - done) / rate) : "…";
      line = [`${title} ${unit} ${done}/${total}`, details, `${formatDuration(seconds)} ETA ${eta}`]
        .filter(Boolean)
        .join(" · ");
      if (out.isTTY) {
        if (now - last < 100 && done < total) return;
        out.write(`\r${line.slice(0, (out.columns || 80) - 1)}\x1b[K`);
        last = now;
      } else if (now - last >= PLAIN_INTERVAL || done === total) {
        out.write(`${line}\n`);
        last = now;
      }
    },
    end() {
      if (out.isTTY && line) out.write("\n");
    },
  };
}

/** Progress of work whose total is not known beforehand. */
export function startCount(title: string, unit: string, out: NodeJS.WriteStream = process.stderr): Progress {
  const start = performance.now();
  let last = start;
  return {
    update(done, details = "") {
      const now = performance.now();
      if (now - last < (out.isTTY ? 100 : PLAIN_INTERVAL)) return;
      last = now;
      const rate = `${Math.round((1000 * done) / (now - start))} ${unit}s/s`;
      const line = [`${title} ${unit} ${done}`, details, rate].filter(Boolean).join(" · ");
      out.write(out.isTTY ? `\r${line.slice(0, (out.columns || 80) - 1)}\x1b[K` : `${line}\n`);
    },
    end() {
      if (out.isTTY && last > start) out.write("\n");
    },
  };
}

/** 95 → "1m35s" */
export function formatDuration(seconds: number): string {
  const s = Math.round(seconds);
  if (s < 60) return `${s}s`;
  const minutes = Math.floor(s / 60);
  return minutes < 60
    ? `${minutes}m${String(s % 60).padStart(2, "0")}s`
    : `${Math.floor(minutes / 60)}h${String(minutes % 60).padStart(2, "0")}m`;
}
