/** @file A detector of languages in Latin script, by n-grams; it takes a moment to load, so it is loaded when first asked for. */

type Detector = (text: string) => { language: string; isReliable: () => boolean };

let detector: Detector | undefined;
let loading: Promise<void> | undefined;

/** Load the detector; undefined where it is there. */
export function loadDetector(languages: readonly string[]): Promise<void> | undefined {
  if (detector) return undefined;
  loading ??= import("eld/small").then(({ eld }) => {
    const own = eld.newInstance();
    own.setLanguageSubset(languages.map((language) => (language === "id" ? "ms" : language)));
    detector = own.detect;
  });
  return loading;
}

/** The language of a text in Latin script; undefined where the detector is not sure, or is not there. */
export function latinLanguage(text: string): string | undefined {
  const found = detector?.(text);
  if (!found?.isReliable() || found.language === "") return undefined;
  return found.language === "ms" ? "id" : found.language; // Malay and Indonesian are written alike
}
