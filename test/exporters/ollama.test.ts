/** @file Ollama's Modelfile: its template writes what the tokenizer's does, by a reader of our own of Go's and Ollama's grammar. */

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { loadTokenizer } from "../../src/data/tokenizer.ts";
import { goTemplate, goText } from "../../src/exporters/ollama/go-template/template.ts";
import { parseModelfile, writeModelfile } from "../../src/exporters/ollama/modelfile.ts";
import { ollamaTemplate } from "../../src/exporters/ollama/template.ts";
import { ollama } from "../../src/exporters/ollama.ts";
import { TEMPLATES, writeChatTokenizer } from "../support/chat-templates.ts";
import { scratch, writeStudent } from "../support/students.ts";

const folder = scratch();

/** What is not said of each: of those that are not here everything is. */
const NOTES: Record<string, RegExp[]> = {};

for (const name of TEMPLATES)
  test(`${name}: Ollama's template writes what the tokenizer's writes`, () => {
    const tokenizer = loadTokenizer(writeChatTokenizer(join(folder, name.replace(/\W/g, "-")), name));
    const { template, notes } = ollamaTemplate(tokenizer);
    const run = goTemplate(template);
    const turns = [
      { role: "user", content: 'Say "hello".' },
      { role: "assistant", content: "hello" },
      { role: "user", content: "And twice?" },
    ];
    for (const count of [1, 3]) {
      const said = turns.slice(0, count);
      const begin = tokenizer.bos === undefined ? "" : tokenizer.written.bos;
      const text = run({ System: "", Messages: said.map(({ role, content }) => ({ Role: role, Content: content })) });
      assert.equal(begin + text, tokenizer.render(said, { generate: true }));
    }
    for (const pattern of NOTES[name] ?? [])
      assert.ok(
        notes.some((note) => pattern.test(note)),
        notes.join(" "),
      );
  });

const refused = (template: string, why: RegExp) => {
  const place = writeChatTokenizer(join(folder, "refused"), "SmolLM2", { chat_template: template });
  assert.throws(
    () => ollamaTemplate(loadTokenizer(place)),
    (error: Error) => {
      assert.match(error.message, /^The chat template cannot be said in the language of Ollama's templates: /);
      assert.match(error.message, why);
      return true;
    },
  );
};

test("a template that numbers or changes what is said is refused, with the reason", () => {
  const each = (inner: string) =>
    `{% for m in messages %}${inner}{% endfor %}{% if add_generation_prompt %}A:{% endif %}`;
  refused(each("{{ loop.index }}. {{ m.content }}\n"), /begins otherwise|writes what pieces around each turn do not/);
  refused(each("{{ m.content | upper }}\n"), /does not write "first sentinel of the user" as it is said/);
  refused(
    each("{{ m.content }}{% if loop.index > 3 %}!{% endif %}|"),
    /for the turns user, assistant, user, assistant, user it writes/,
  );
  refused(each("{{ m.role }}: {{ m.content | replace('?', '.') }}\n"), /for the turns user it writes/);
});

test("a student without a template, and one whose template Ollama cannot say, are refused before a file is written", async () => {
  const student = join(folder, "silent");
  await writeStudent(student);
  const exporter = ollama.create({ type_of_weights: "q8_0", parameters: {} });
  await assert.rejects(
    exporter({ folder: student }, join(folder, "none")),
    /has no chat template, and Ollama asks through one/,
  );
});

test("the Modelfile names file, template, sampling and every stop text, and reads back as it was written", async () => {
  const student = join(folder, "student");
  await writeStudent(student);
  writeFileSync(
    join(student, "chat_template.jinja"),
    "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}",
  );
  writeFileSync(
    join(student, "generation_config.json"),
    JSON.stringify({ eos_token_id: 1, temperature: 0.7, top_p: 0.8, top_k: 20, repetition_penalty: 1.1 }),
  );
  const output = join(folder, "export");
  const [file] = await ollama.create({ type_of_weights: "f16", parameters: { num_ctx: 64 }, system: 'Be "brief".' })(
    { folder: student },
    output,
  );
  assert.deepEqual([file!.name, file!.same_as], ["ollama-f16", "gguf-f16"]);
  const commands = parseModelfile(readFileSync(join(output, "Modelfile"), "utf8"));
  const values = (name: string) => commands.filter((command) => command.name === name).map(({ value }) => value);
  assert.deepEqual(values("from"), ["./model-f16.gguf"]);
  assert.deepEqual(values("system"), ['Be "brief".']);
  assert.deepEqual(
    ["num_ctx", "temperature", "top_p", "top_k", "repeat_penalty"].map((name) => values(name)[0]),
    ["64", "0.7", "0.8", "20", "1.1"],
  );
  const tokenizer = loadTokenizer(student);
  assert.deepEqual(
    values("stop"),
    tokenizer.stops.map((id) => tokenizer.token(id)),
  );
  const text = goTemplate(values("template")[0]!)({ System: "", Messages: [{ Role: "user", Content: "2+3" }] });
  assert.equal(text, tokenizer.render([{ role: "user", content: "2+3" }], { generate: true }));
});

test("a context that is longer than the student was made for is said, and one that is not is not", async () => {
  const student = join(folder, "long");
  const { max_position_embeddings } = await writeStudent(student);
  writeFileSync(join(student, "chat_template.jinja"), "{% for m in messages %}{{ m.content }}<eos>{% endfor %}");
  for (const more of [0, 1]) {
    const num_ctx = (max_position_embeddings as number) + more;
    const exporter = ollama.create({ type_of_weights: "q8_0", parameters: { num_ctx } });
    const [file] = await exporter({ folder: student }, join(folder, `long ${more}`));
    const notes = (file!.notes ?? []).filter((note) => /num_ctx is \d+, and the student was made for texts/.test(note));
    assert.equal(notes.length, more);
  }
});

test("what a Modelfile cannot hold is refused, and what is no Modelfile is a sentence with its line", () => {
  assert.throws(
    () => writeModelfile([{ name: "template", value: 'a """ b' }]),
    /cannot hold the three quotation marks/,
  );
  assert.throws(() => writeModelfile([{ name: "stop", value: "a\u00a0b", parameter: true }]), /U\+00a0 of its stop/);
  for (const [text, why] of [
    ["PARAMETER stop x\n", /has no FROM line/],
    ["FROM x\nTEMPLAT y\n", /line 2 begins with TEMPLAT/],
    ['FROM x\nTEMPLATE """a\n', /line 2 opens a quotation that does not end/],
    ["FROM x\nPARAMETER\n", /line 2 has no command with a value/],
  ] as const)
    assert.throws(() => parseModelfile(text), why);
  const commands = [
    { name: "from", value: "./a b.gguf" },
    { name: "template", value: ' {{ .System }}"\n\n' },
    { name: "stop", value: "<|end|>", parameter: true },
    { name: "stop", value: '"', parameter: true },
  ];
  assert.deepEqual(parseModelfile(`# a remark\n\n${writeModelfile(commands)}`), commands);
});

test("Go's templates: blanks, branches, ranges, functions and what is no template", () => {
  const data = {
    System: "",
    Messages: [
      { Role: "user", Content: "a" },
      { Role: "assistant", Content: "b" },
    ],
  };
  const says = (template: string) => goTemplate(template)(data);
  assert.equal(says("x {{- if .System }} s {{ else if eq (len .Messages) 2 }} two {{- end }} y"), "x two y");
  assert.equal(
    says(
      "{{ range $i, $m := .Messages }}{{ $i }}{{ $m.Content }}{{ if eq (len (slice $.Messages $i)) 1 }}!{{ end }}{{ end }}",
    ),
    "0a1b!",
  );
  assert.equal(says('{{ len .Messages }}{{ "\\n{{" }}{{/* nothing */}}'), "2\n{{");
  assert.equal(says('{{ $a := true }}{{ range .Messages }}{{ if and $a (ne .Role "user") }}x{{ end }}{{ end }}'), "x");
  assert.equal(says(goText("a {{ b }} c")), "a {{ b }} c");
  // what is assigned lasts; what is declared again is another variable, and ends with its body
  assert.equal(says('{{ $a := "x" }}{{ range .Messages }}{{ $a = .Content }}{{ end }}{{ $a }}'), "b");
  assert.equal(says('{{ $a := "x" }}{{ if true }}{{ $a := "y" }}{{ $a }}{{ end }}{{ $a }}'), "yx");
  assert.equal(
    says("{{ range $i, $m := .Messages }}{{ if $i }}{{ $.System }}|{{ $m.Role }}{{ end }}{{ end }}"),
    "|assistant",
  );
  for (const wrong of [
    "{{ if }}x{{ end }}",
    "{{ if .A }}",
    "{{ end }}",
    "{{ .A",
    "{{ shout .System }}",
    "{{ (eq .A }}",
    "{{ eq .A) }}",
    "{{ .System .System }}",
    "{{ }}",
    "{{ $never }}",
    "{{ $never = 1 }}",
    "{{ if true }}{{ $a := 1 }}{{ end }}{{ $a }}",
  ])
    assert.throws(() => says(wrong), /^DistillError: A Go template/, wrong);
});
