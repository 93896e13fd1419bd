/** @file Which answers of several samples are one, and which most samples agree on. */

type Same = (a: string, b: string) => boolean;
type Answered = { extracted: string | null };

/** Samples by their answers, in the order in which these first came; samples without one are in no group. */
export function groupsOf<Sample extends Answered>(samples: readonly Sample[], same: Same = sameText): Sample[][] {
  const groups: Sample[][] = [];
  for (const sample of samples) {
    const { extracted } = sample;
    if (extracted === null) continue;
    const group = groups.find(([first]) => same(first!.extracted!, extracted));
    if (group) group.push(sample);
    else groups.push([sample]);
  }
  return groups;
}

/** The groups that most samples are in: several where there is a tie. */
export function largest<Sample>(groups: readonly (readonly Sample[])[]): (readonly Sample[])[] {
  const most = Math.max(0, ...groups.map(({ length }) => length));
  return groups.filter(({ length }) => length === most);
}

/** How often the majority is right: the share of right samples in it, a tie broken by chance. */
export function majorityRight<Sample extends Answered>(
  samples: readonly Sample[],
  isRight: (sample: Sample) => boolean,
  same?: Same,
): number {
  const groups = largest(groupsOf(samples, same));
  const shares = groups.map((group) => group.filter(isRight).length / group.length);
  return shares.reduce((sum, share) => sum + share, 0) / Math.max(1, shares.length);
}

const sameText: Same = (a, b) => a === b;
