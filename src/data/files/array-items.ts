/** @file The items of an array of JSON that comes piece by piece, each as its text. */

const MAX_ITEM = 256 << 20; // characters

export type ArrayItems = {
  /** The texts of the items that end in this piece; throws an Error that says what is wrong with the array. */
  push(text: string): string[];
  /** Whether the array is closed. */
  ended(): boolean;
};

/** Only brackets, quotes and commas are looked at: what an item is, who parses it says. */
export function arrayItems(): ArrayItems {
  let state: "before" | "in" | "after" = "before";
  let [item, depth, quoted, escaped] = ["", 0, false, false];
  return {
    push(text) {
      const found: string[] = [];
      let start = 0; // of what belongs to the item
      for (let i = 0; i < text.length; i++) {
        const character = text[i]!;
        if (quoted) {
          if (escaped) escaped = false;
          else if (character === "\\") escaped = true;
          else if (character === '"') quoted = false;
        } else if (state !== "in") {
          if (/\s/.test(character)) continue;
          if (state === "after") throw new Error("there is more behind its end");
          if (character !== "[") throw new Error(`it begins with ${character}`);
          state = "in";
          start = i + 1;
        } else if (character === '"') quoted = true;
        else if (character === "{" || character === "[") depth++;
        else if ((character === "}" || character === "]") && depth > 0) depth--;
        else if ((character === "," || character === "]") && depth === 0) {
          item += text.slice(start, i);
          if (character === "," || found.length > 0 || item.trim() !== "") found.push(item);
          item = "";
          start = i + 1;
          if (character === "]") state = "after";
        }
      }
      if (state === "in") item += text.slice(start);
      if (item.length > MAX_ITEM) throw new Error(`an item of it has more than ${MAX_ITEM} characters`);
      return found;
    },
    ended: () => state === "after",
  };
}
