import { z } from "zod";
import { countWords, detectLanguage, LANGUAGES, loadLanguages } from "./language.ts";
import { reasoningPart } from "./parts.ts";
import { defineReward, type Reward, type Sample, type Score } from "./reward.ts";

export const languageOption = z
  .enum(["auto", ...LANGUAGES])
  .default("auto")
  .describe("The target language, ISO 639-1; auto is the prompt's.");

/** Words of the reasoning in the target language and all words; a sentence where that cannot be told, which then asks nothing. */
export function reasoningWords({ prompt, completion }: Sample, option: string) {
  const language = option === "auto" ? detectLanguage(prompt) : option;
  if (language === undefined) return "the prompt's language cannot be told";
  const { target, total } = countWords(reasoningPart(completion), language);
  return total === 0 ? "the reasoning has no words" : { language, target, total, share: target / total };
}

/** A rule of languages, once what it goes by is loaded. */
export const ofLanguages =
  (rule: (sample: Sample) => Score): Reward =>
  (sample) => {
    const loading = loadLanguages();
    return loading ? loading.then(() => rule(sample)) : rule(sample);
  };

/**
 * Words of the target language in the reasoning / all its words. Code, LaTeX and URLs do not count; each sign of Chinese
 * and Japanese is a word. Source: DeepSeek-R1 2.3.2; eq. 7 of its second version.
 */
export const language_consistency = defineReward({
  options: z
    .strictObject({ language: languageOption })
    .describe("The share of the reasoning's words that are of the target language."),
  version: "3",
  create: ({ language }) =>
    ofLanguages((sample) => {
      const words = reasoningWords(sample, language);
      if (typeof words === "string") return { score: null, asksNothing: true, reason: words };
      return { score: words.share, reason: `${words.target} of ${words.total} words are ${words.language}` };
    }),
});
