/** @file Tests of programs in the columns in which benchmarks publish them. */

/** LiveCodeBench, APPS and TACO, HumanEval, MBPP: the columns of which one row has all, and those that it may have. */
const BENCHMARKS = [
  { all: ["public_test_cases"], some: ["private_test_cases", "metadata", "starter_code"] },
  { all: ["input_output"], some: ["starter_code"] },
  { all: ["test", "entry_point"], some: ["prompt"] },
  { all: ["test_list"], some: ["test_setup_code", "test_imports"] },
];

/** A row's own tests as the reference that the reward `code` reads; undefined where it is no row of such a benchmark. */
export function publishedTests(row: Record<string, unknown>): string | undefined {
  const has = (name: string) => row[name] !== undefined && row[name] !== null;
  const benchmark = BENCHMARKS.find(({ all }) => all.every(has));
  if (!benchmark) return undefined;
  const names = [...benchmark.all, ...benchmark.some].filter(has);
  return JSON.stringify(Object.fromEntries(names.map((name) => [name, row[name]])));
}

/** All columns that may be part of it. */
export const PUBLISHED = [...new Set(BENCHMARKS.flatMap(({ all, some }) => [...all, ...some]))];
