/** @file What a GGUF file says of the model that it holds. */

import { type MetadataValue, string, strings, uint32 } from "../../formats/gguf.ts";

/** The `general.` keys for a model of so many weights; `base` is the one that it was trained from, as the hub has it. */
export function describeModel(
  { name, base }: { name: string; base?: string },
  weights: number,
): [string, MetadataValue][] {
  const [owner, repository] = base?.split("/") ?? [];
  return [
    ["general.type", string("model")],
    ["general.name", string(name)],
    ["general.size_label", string(sizeLabel(weights))],
    ["general.tags", strings(["text-generation", "knowledge-distillation"])],
    ...(owner && repository
      ? ([
          ["general.base_model.count", uint32(1)],
          ["general.base_model.0.name", string(repository)],
          ["general.base_model.0.organization", string(owner)],
          ["general.base_model.0.repo_url", string(`https://huggingface.co/${base}`)],
        ] as [string, MetadataValue][])
      : []),
  ];
}

/** 494M, 1.5B: three digits at most. */
function sizeLabel(weights: number): string {
  const [unit, letter] = ([
    [1e9, "B"],
    [1e6, "M"],
    [1e3, "K"],
  ].find(([unit]) => weights >= (unit as number)) ?? [1, ""]) as [number, string];
  return `${Number((weights / unit).toPrecision(weights / unit >= 10 ? 3 : 2))}${letter}`;
}
