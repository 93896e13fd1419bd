import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before, test } from "node:test";
import { distill } from "../support/cli.ts";
import { scratch } from "../support/students.ts";

const has = (shell: string) => !spawnSync(shell, ["-c", "true"]).error;

const folder = scratch();
before(async () => {
  writeFileSync(join(folder, "complete.bash"), (await distill("completion", "bash")).out);
});
for (const name of ["one.yaml", "two.yml", "rows.jsonl"]) writeFileSync(join(folder, name), "");
mkdirSync(join(folder, "recipes"));

/** What bash would offer behind these words, which it has cut at every =. */
function offered(...words: string[]): string[] {
  const program = `source complete.bash
COMP_WORDS=(distill ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}
compopt() { :; }
_distill; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return execFileSync("bash", ["-c", program], { cwd: folder, encoding: "utf8" }).trim().split("\n").sort();
}

const bash = { skip: !has("bash") && "there is no bash" };

test("bash completes commands", bash, () => {
  assert.deepEqual(offered("tr"), ["train"]);
  assert.ok(offered("").includes("options"));
});

test("bash completes a command's own options", bash, () => {
  assert.deepEqual(offered("inspect", "--r"), ["--row", "--rows"]);
  assert.deepEqual(offered("sample", "--batch"), ["--batch", "--batch-files"]);
  assert.deepEqual(offered("train", "--batch"), [""]);
});

test("bash completes recipes and folders, and nothing else, in the first place", bash, () => {
  assert.deepEqual(offered("run", ""), ["one.yaml", "recipes", "two.yml"]);
  assert.deepEqual(offered("run", "--allow-modules", "o"), ["one.yaml"]);
});

test("bash completes the keys of overrides, and their values", bash, () => {
  assert.deepEqual(offered("run", "one.yaml", "trainer.learning_"), ["trainer.learning_rate="]);
  assert.deepEqual(offered("run", "one.yaml", "trainer.type", "="), ["gkd", "grpo", "kd", "sft"]);
  assert.deepEqual(offered("run", "one.yaml", "trainer.packing", "=", "f"), ["false"]);
  assert.deepEqual(offered("run", "one.yaml", "dataset.path", "=", "ro"), ["rows.jsonl"]);
  // what stands in a list has no key of its own
  assert.deepEqual(offered("run", "one.yaml", "export.types"), [""]);
});

test("bash completes sections", bash, () => {
  assert.deepEqual(offered("options", "trainer.gr"), [
    "trainer.gradient_accumulation_steps",
    "trainer.gradient_checkpointing",
    "trainer.grpo",
  ]);
});

test("bash itself asks for it", bash, () => {
  const program = "source complete.bash; complete -p distill";
  const said = execFileSync("bash", ["-c", program], { cwd: folder, encoding: "utf8" });
  assert.equal(said, "complete -F _distill distill\n");
});

for (const shell of ["zsh", "fish"])
  test(`${shell} can read its script`, { skip: !has(shell) && `there is no ${shell}` }, async () => {
    const { out } = await distill("completion", shell);
    const path = join(folder, `complete.${shell}`);
    writeFileSync(path, out);
    execFileSync(shell, ["-n", path]);
  });

test(
  "fish completes commands, options, recipes, keys and their values",
  { skip: !has("fish") && "there is no fish" },
  async () => {
    const { out } = await distill("completion", "fish");
    writeFileSync(join(folder, "complete.fish"), out);
    const offers = (line: string) =>
      execFileSync("fish", ["--no-config", "-c", `source complete.fish; complete -C ${JSON.stringify(line)}`], {
        cwd: folder,
        encoding: "utf8",
      })
        .trim()
        .split("\n")
        .map((offer) => offer.split("\t")[0]);
    assert.deepEqual(offers("distill tr"), ["train"]);
    assert.deepEqual(offers("distill inspect --r"), ["--row", "--rows"]);
    assert.deepEqual(offers("distill run "), ["one.yaml", "recipes/", "two.yml"]);
    assert.deepEqual(offers("distill run one.yaml trainer.lea"), ["trainer.learning_rate="]);
    assert.deepEqual(
      offers("distill run one.yaml device=").filter((offer) => offer!.startsWith("device=")),
      ["device=auto", "device=cpu", "device=cuda", "device=webgpu"],
    );
  },
);

test("a shell that is not known is refused", async () => {
  const { code, err, out } = await distill("completion", "tcsh");
  assert.deepEqual([code, out], [1, ""]);
  assert.equal(err, 'Error: There is no completion for "tcsh". Expected one of: bash, fish, zsh.\n');
});
