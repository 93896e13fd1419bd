/** @file The page's script, and the worker in which the model runs so that the page stays alive. They are served as they stand. */

/** What the worker may take on each kind of device, best first. */
export const PREFERRED = {
  webgpu_f16: ["q4f16", "fp16", "q4", "q8", "fp32"],
  webgpu: ["q4", "q8", "fp32"],
  wasm: ["q8", "q4", "fp32", "q4f16", "fp16"],
} as const;

export const CHAT = `const settings = JSON.parse(document.getElementById("settings").textContent);
const at = (id) => document.getElementById(id);
const worker = new Worker("worker.js", { type: "module" });
let messages = [];
let open;

function begin() {
  messages = settings.system ? [{ role: "system", content: settings.system }] : [];
  at("talk").replaceChildren();
}

function turn(role) {
  const box = document.createElement("div");
  box.className = "turn " + role;
  at("talk").append(box);
  return box;
}

/** A box whose reasoning is folded as soon as the answer behind it begins. */
function answerBox() {
  const box = turn("assistant");
  const details = document.createElement("details");
  const summary = document.createElement("summary");
  const thought = document.createElement("div");
  const answer = document.createElement("div");
  const facts = document.createElement("div");
  details.append(summary, thought);
  details.hidden = true;
  details.open = true;
  answer.className = "answer";
  facts.className = "facts";
  box.append(details, answer, facts);
  let folded = false;
  return {
    show(text) {
      const [, before = "", inside, closed, behind = ""] = /^([^]*?)<think>([^]*?)(<\\/think>|$)([^]*)$/.exec(text) ?? [];
      details.hidden = inside === undefined || inside.trim() === "";
      if (inside === undefined) answer.textContent = text;
      else {
        thought.textContent = inside.trim();
        answer.textContent = (before + behind).trim();
      }
      summary.textContent = closed ? "Thought" : "Thinking …";
      if (closed && !folded) {
        folded = true;
        details.open = false;
      }
    },
    facts: (text) => { facts.textContent = text; },
  };
}

function busy(is) {
  at("send").disabled = is;
  at("send").hidden = is;
  at("stop").hidden = !is;
}

worker.onmessage = ({ data }) => {
  if (data.type === "progress") at("progress").value = data.value;
  if (data.type === "ready") {
    at("progress").hidden = true;
    at("state").textContent = data.device + ", " + data.dtype + (data.why ? " (" + data.why + ")" : "");
    document.body.dataset.ready = data.device + " " + data.dtype;
    busy(false);
  }
  if (data.type === "text") {
    open.box.show(data.text);
    open.box.facts(data.tokens + " tokens, " + data.rate.toFixed(1) + " tokens/s");
    open.text = data.text;
    scrollTo(0, document.body.scrollHeight);
  }
  if (data.type === "done") {
    messages.push({ role: "assistant", content: open.text });
    document.body.dataset.answered = String(messages.length);
    open = undefined;
    busy(false);
    at("question").focus();
  }
  if (data.type === "failed") {
    at("state").textContent = data.message;
    at("state").className = "failed";
    document.body.dataset.failed = data.message;
    if (open) busy(false);
    open = undefined;
  }
};

function send() {
  const content = at("question").value.trim();
  if (!content || open || at("send").disabled) return;
  at("question").value = "";
  messages.push({ role: "user", content });
  turn("user").textContent = content;
  open = { box: answerBox(), text: "" };
  busy(true);
  const temperature = Number(at("temperature").value) || 0;
  worker.postMessage({ type: "ask", messages, temperature, max_new_tokens: settings.max_new_tokens });
}

at("ask").addEventListener("submit", (event) => { event.preventDefault(); send(); });
at("question").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); send(); }
});
at("stop").addEventListener("click", () => worker.postMessage({ type: "stop" }));
at("new").addEventListener("click", () => { if (!open) begin(); });
begin();
const wanted = new URLSearchParams(location.search);
worker.postMessage({ type: "load", dtypes: settings.dtypes, device: wanted.get("device"), dtype: wanted.get("dtype") });
`;

export const WORKER = `import { AutoModelForCausalLM, AutoTokenizer, InterruptableStoppingCriteria, env } from "./transformers/transformers.min.js";

env.allowRemoteModels = false;
env.allowLocalModels = true;
env.useBrowserCache = false; // the browser keeps what the server lets it keep
env.localModelPath = new URL(".", import.meta.url).pathname; // an address with a host counts as another one
env.backends.onnx.wasm.wasmPaths = new URL("transformers/", import.meta.url).href;

const PREFERRED = ${JSON.stringify(PREFERRED)};
const stopping = new InterruptableStoppingCriteria();
let tokenizer, model, stops;

async function load({ dtypes, device, dtype }) {
  const adapter = device === "wasm" ? null : await navigator.gpu?.requestAdapter().catch(() => null);
  const kinds = adapter ? [adapter.features.has("shader-f16") ? "webgpu_f16" : "webgpu", "wasm"] : ["wasm"];
  const choices = kinds.flatMap((kind) => {
    const found = PREFERRED[kind].find((name) => dtypes.includes(name) && (!dtype || name === dtype));
    return found ? [{ device: kind.split("_")[0], dtype: found }] : [];
  });
  if (choices.length === 0) throw new Error("None of the files " + dtypes.join(", ") + (dtype ? " is " + dtype + " and" : "") + " runs in this browser.");
  tokenizer = await AutoTokenizer.from_pretrained("model");
  let why = adapter || device === "wasm" ? "" : "no WebGPU here";
  for (const [i, choice] of choices.entries())
    try {
      model = await AutoModelForCausalLM.from_pretrained("model", {
        ...choice,
        progress_callback: ({ status, progress, file }) => {
          if (status === "progress" && file.includes("onnx")) postMessage({ type: "progress", value: progress / 100 });
        },
      });
      const eos = model.generation_config?.eos_token_id ?? [];
      stops = new Set([eos].flat());
      return postMessage({ type: "ready", ...choice, why });
    } catch (error) {
      if (i === choices.length - 1) throw error;
      why = choice.device + " failed: " + String(error?.message ?? error).slice(0, 120);
    }
}

async function ask({ messages, temperature, max_new_tokens }) {
  const prompt = tokenizer.apply_chat_template(messages, { tokenize: false, add_generation_prompt: true });
  const opened = /<think>\\s*(?:<\\/think>\\s*)?$/.exec(prompt)?.[0] ?? "";
  const inputs = tokenizer(prompt, { add_special_tokens: false });
  const room = (model.config.max_position_embeddings ?? Infinity) - inputs.input_ids.dims[1];
  if (room < 1) throw new Error("The talk has become longer than the model reads. Begin a new one.");
  const ids = [];
  const begun = performance.now();
  let first = true, since = begun;
  const tell = () => {
    const said = ids.filter((id) => !stops.has(id)); // none where the answer ends as it begins, which decode refuses
    const options = { skip_special_tokens: false, clean_up_tokenization_spaces: false };
    const text = said.length > 0 ? tokenizer.decode(said, options) : "";
    const seconds = (performance.now() - since) / 1000;
    const rate = ids.length > 1 ? (ids.length - 1) / seconds : 0;
    postMessage({ type: "text", text: opened + text.replace(/\\uFFFD+$/, ""), tokens: ids.length, rate });
  };
  const streamer = {
    put([tokens]) {
      if (first) { first = false; return; } // the prompt
      for (const token of tokens) ids.push(Number(token));
      if (ids.length === 1) since = performance.now();
      tell();
    },
    end() {},
  };
  stopping.reset();
  const drawn = temperature > 0 ? { do_sample: true, temperature, top_k: 0 } : { do_sample: false };
  await model.generate({ ...inputs, ...drawn, max_new_tokens: Math.min(room, max_new_tokens), streamer, stopping_criteria: stopping });
  tell();
  postMessage({ type: "done" });
}

let work = Promise.resolve();
onmessage = ({ data }) => {
  if (data.type === "stop") return stopping.interrupt();
  work = work.then(() => (data.type === "load" ? load(data) : ask(data))).catch((error) =>
    postMessage({ type: "failed", message: String(error?.message ?? error).slice(0, 400) }));
};
`;
