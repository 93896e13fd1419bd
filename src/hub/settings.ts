import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { getHFHubCachePath, HUB_URL } from "@huggingface/hub";
import { DistillError } from "../core/errors.ts";
import { readText } from "../core/reading.ts";

export type HubSettings = {
  /** The hub's address, without a slash at its end. */
  endpoint: string;
  /** The folder of models--owner--name, which Python's library shares. */
  cache: string;
  token: string | undefined;
  /** Nothing is asked of the hub. */
  offline: boolean;
};

/** What the environment says of the hub, in the variables that Hugging Face's own tools read. */
export function hubSettings(): HubSettings {
  const { HF_ENDPOINT, HF_HUB_OFFLINE, TRANSFORMERS_OFFLINE } = process.env;
  const endpoint = (HF_ENDPOINT || HUB_URL).replace(/\/+$/, "");
  if (!/^https?:\/\//.test(endpoint) || !URL.canParse(endpoint))
    throw new DistillError(`HF_ENDPOINT is "${HF_ENDPOINT}". Expected an address such as https://hub.example.org.`);
  const cache = atHome(getHFHubCachePath());
  return { endpoint, cache, token: token(), offline: isTrue(HF_HUB_OFFLINE) || isTrue(TRANSFORMERS_OFFLINE) };
}

/** HF_TOKEN, or what `hf auth login` left. */
function token(): string | undefined {
  const { HF_TOKEN, HUGGING_FACE_HUB_TOKEN, HF_TOKEN_PATH, HF_HOME, XDG_CACHE_HOME } = process.env;
  const home = HF_HOME || join(XDG_CACHE_HOME || "~/.cache", "huggingface");
  const path = atHome(HF_TOKEN_PATH || join(home, "token"));
  const found = HF_TOKEN || HUGGING_FACE_HUB_TOKEN || (existsSync(path) ? readText(path, "The hub's token") : "");
  const trimmed = found.trim();
  if (/[^\x21-\x7e]/.test(trimmed))
    throw new DistillError("The hub's token holds characters that no token has. Set HF_TOKEN to the token alone.");
  return trimmed || undefined;
}

const isTrue = (value = "") => ["1", "on", "yes", "true"].includes(value.toLowerCase());

const atHome = (path: string) => (path === "~" || path.startsWith("~/") ? join(homedir(), path.slice(1)) : path);
