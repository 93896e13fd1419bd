/** @file argv → command, and what is printed of an error. */

import { Command, CommanderError } from "commander";
import type { BatchArguments } from "./commands/batches.ts";
import type { ChatArguments } from "./commands/chat.ts";
import type { CompareArguments } from "./commands/compare.ts";
import type { CompletedCommand } from "./commands/completion.ts";
import type { DoctorOptions } from "./commands/doctor.ts";
import type { EvalArguments } from "./commands/eval.ts";
import type { FilterArguments } from "./commands/filter.ts";
import type { InitArguments } from "./commands/init.ts";
import type { InspectArguments } from "./commands/inspect.ts";
import type { OptionsArguments } from "./commands/options.ts";
import type { PlanOptions } from "./commands/plan.ts";
import type { Verb } from "./commands/prepare.ts";
import type { PushArguments } from "./commands/push.ts";
import type { ReviewArguments } from "./commands/review.ts";
import type { RunOptions } from "./commands/run.ts";
import type { ScoreOptions } from "./commands/score.ts";
import type { WatchArguments } from "./commands/watch.ts";
import { DistillError, refusedByTheMachine } from "./core/errors.ts";
import { ownPackage } from "./core/package.ts";

const ALLOW_MODULES = "run the programs that rewards of type module name";

const VERBS: Record<Verb, string> = {
  run: "Everything that the recipe describes, as far as it is not done: sample, train, export, measure.",
  sample: "Draw traces from the recipe's teacher, judge them, and make a dataset of the accepted ones.",
  train: "Fine-tune the recipe's student. Continues from the newest checkpoint of the same run.",
  export: "Write the trained student for llama.cpp and transformers.js, and compare the files with its weights.",
  eval: "Measure the recipe's models on problems that none of them has seen.",
};

/** An option that may be given several times. */
const each = (value: string, before: string[] = []): string[] => [...before, value];

/** Do what the arguments say. Returns the exit code; what failed has been printed. */
export async function commandLine(args: readonly string[], signal: AbortSignal): Promise<number> {
  try {
    await programOf(signal).parseAsync(args, { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode;
    const sentence = error instanceof DistillError ? error.message : refusedByTheMachine(error);
    console.error(sentence ? `Error: ${sentence}` : error);
    return 1;
  }
}

/** An error of the arguments, with what is to be done where a key of a recipe was given as an option. */
const withCure = (text: string): string =>
  text.replace(
    /^error: unknown option '--.*$/m,
    (line) => `${line}\n(A key of a recipe is given without dashes, behind the recipe: trainer.max_steps=3.)`,
  );

/** What a shell is told of a command. */
const completed = (command: Command): CompletedCommand => ({
  name: command.name(),
  description: command.description(),
  options: command.options.map(({ long, description }) => ({ flag: long!, description })),
  recipe: command.registeredArguments[1]?.name() === "overrides",
});

function programOf(signal: AbortSignal): Command {
  const program = new Command("distill")
    .description("Knowledge distillation on ONNX Runtime and llama.cpp.")
    .version(ownPackage().version)
    .configureOutput({ outputError: (text, write) => write(withCure(text)) })
    .exitOverride();

  for (const [verb, description] of Object.entries(VERBS)) {
    const command = recipeCommand(verb, description, verb === "eval")
      .option("--allow-modules", ALLOW_MODULES)
      .option("--step <name>", "of a pipeline, this step alone");
    if (verb === "sample")
      command
        .option("--batch", "ask a teacher of type openai in batches, which take up to a day and cost less")
        .option(
          "--batch-files <folder>",
          "the same by hand: write files of requests there, and read what answers them",
        );
    if (verb === "eval")
      command
        .option(
          "--model <model>",
          "without a recipe: a GGUF or ONNX file, a folder, hf:owner/name, or a server's URL[#MODEL]; several times for several",
          each,
        )
        .option("--preset <name>", "what it is measured on, such as gsm8k; key=value are then keys of evaluation", each)
        .option("--data <path>", "the questions, where they are not fetched from the hub")
        .option("--output <folder>", "where the run is kept (runs/eval-MODEL)");
    command.action(
      async (recipe: string, overrides: string[], options: RunOptions & BatchArguments & EvalArguments) => {
        if (options.model) {
          const { evalModels } = await import("./commands/eval.ts");
          // without a recipe, the first of them is an override too
          return evalModels(options, recipe === undefined ? overrides : [recipe, ...overrides], signal);
        }
        const alone = (["preset", "data", "output"] as const).find((name) => options[name] !== undefined);
        if (alone) throw new DistillError(`--${alone} goes with --model. In a recipe it is said under evaluation.`);
        if (recipe === undefined) throw new DistillError("Nothing is named to be measured. Give a recipe, or --model.");
        const [{ run }, { inBatches }] = await Promise.all([
          import("./commands/run.ts"),
          import("./commands/batches.ts"),
        ]);
        await run(verb as Verb, recipe, [...overrides, ...inBatches(recipe, overrides, options)], options, signal);
      },
    );
  }

  recipeCommand("plan", "Say what distill run would do, and why.")
    .option("--measure <answers>", "ask the teacher for so many answers first, and foresee tokens and money from them")
    .option("--allow-modules", ALLOW_MODULES)
    .action(async (recipe: string, overrides: string[], options: PlanOptions) => {
      const { plan } = await import("./commands/plan.ts");
      await plan(recipe, overrides, options, signal);
    });

  recipeCommand("inspect", "Show the rows that the recipe trains on: prompt, supervised, padding, special tokens.")
    .option("--rows <n>", "how many rows are shown (2; 20 on a page)")
    .option("--generation <n>", "of what the student wrote for its own training, this generation (the last)")
    .option("--step <name>", "of a pipeline, this step")
    .option("--row <n>", "the number of one row of the dataset, which is shown instead")
    .option("--width <columns>", "columns of a line (the terminal's)")
    .option("--html <file>", "write a page instead")
    .action(async (recipe: string, overrides: string[], options: InspectArguments) => {
      const { inspect } = await import("./commands/inspect.ts");
      await inspect(recipe, overrides, options, signal);
    });

  program
    .command("chat")
    .description("Talk to a student, a teacher or an exported file; in a pipe, one question a line.")
    .argument("<model>", "a run, a model's folder, a .gguf or .onnx file, or hf:owner/name")
    .option("--model <name>", "of a run: base, teacher, student or student-<name of an export> (student)")
    .option("--compare <names...>", "several of them side by side; beside a model that is no run, others like it")
    .option("--system <text>", "the system's turn before the first question")
    .option("--chat-template <name>", "plain, r1 or a Jinja text; the model's own unless given")
    .option("--temperature <t>", "by which logits are divided; 0 is greedy (0.6)")
    .option("--top-p <share>", "draw from the most likely tokens that have this share (0.95)")
    .option("--top-k <n>", "draw from so many of the most likely tokens; 0 is all (0)")
    .option("--min-p <share>", "leave out tokens with less than this share of the most likely one's (0)")
    .option("--max-length <tokens>", "the most tokens of an answer (2048)")
    .option("--seed <n>", "of what is drawn (0)")
    .action(async (place: string, given: ChatArguments) => {
      const { chat } = await import("./commands/chat.ts");
      await chat(place, given, signal);
    });

  program
    .command("compare")
    .description("Set runs side by side: what changed in their recipes, and in their results, problem by problem.")
    .argument("<runs...>", "folders of runs that were measured on the same problems; each is compared with the first")
    .option("--model <name>", "this model alone, such as student")
    .option("--json", "print one JSON object")
    .action(async (runs: string[], options: CompareArguments) => {
      const { compare } = await import("./commands/compare.ts");
      compare(runs, options);
    });

  program
    .command("report")
    .description("Write one page about runs: results, curves, samples, costs, and where every file comes from.")
    .argument("<runs...>", "folders of runs or pipelines, such as runs/mine")
    .option("--html <file>", "where the page goes (report.html in the run; here for several)")
    .action(async (runs: string[], options: { html?: string }) => {
      const { report } = await import("./commands/report.ts");
      report(runs, options);
    });

  program
    .command("watch")
    .description("Show the curves of a run while it goes on.")
    .argument("<run>", "the folder of a run or a pipeline, such as runs/mine")
    .option("--serve", "serve the report's page on this machine instead")
    .option("--port <n>", "serve it on this port (a free one)")
    .action(async (run: string, options: WatchArguments) => {
      const { watch } = await import("./commands/watch.ts");
      await watch(run, options, signal);
    });

  program
    .command("review")
    .description("Look at traces in a browser and decide which are kept, dropped or edited.")
    .argument("<dataset>", "the folder of a run, a folder of save_to_disk, or a file: .arrow, .parquet, .jsonl")
    .option("--port <n>", "the port on this machine (a free one)")
    .option("--as <name>", "who decides (your user's name)")
    .option("--export <file>", "write the decisions as lines of JSON instead")
    .option("--import <file>", "add decisions from such a file instead")
    .option("--argilla <file>", "write the traces with their decisions as records of Argilla instead")
    .action(async (dataset: string, options: ReviewArguments) => {
      const { review } = await import("./commands/review.ts");
      await review(dataset, options, signal);
    });

  program
    .command("push")
    .description("Put a run's student, its exports and its card on the hub.")
    .argument("<run>", "the folder of a run, such as runs/mine")
    .argument("<name>", "owner/name of the repository, which is made where there is none")
    .option("--dry-run", "say which files would go where, and send nothing")
    .option("--private", "make the repository a private one")
    .option("--branch <name>", "the branch that is committed to (main)")
    .option("--message <text>", "the title of the commit")
    .option("--without <parts...>", "leave out student, adapter, or exports by their types")
    .action(async (run: string, name: string, given: PushArguments) => {
      const { push } = await import("./commands/push.ts");
      await push(run, name, given, signal);
    });

  program
    .command("score")
    .description("Judge the completions of a dataset again, without sampling, and say which verdicts change.")
    .argument("<dataset>", "a folder of save_to_disk, a run, or a file: .arrow, .parquet, .jsonl")
    .requiredOption("--rewards <file>", "rewards, YAML: a list of them, or a recipe")
    .option("--against <file>", "other rewards to compare with; the dataset's own verdicts unless given")
    .option("--output <folder>", "where the dataset goes with the new verdicts; nothing is written unless given")
    .option("--allow-modules", ALLOW_MODULES)
    .action(async (dataset: string, options: ScoreOptions) => {
      const { score } = await import("./commands/score.ts");
      await score(dataset, options, signal);
    });

  program
    .command("filter")
    .description("Keep the rows of a dataset that are worth training on.")
    .argument("<dataset>", "a folder of save_to_disk, a run, or a file: .arrow, .parquet, .jsonl")
    .requiredOption("--output <folder>", "where the kept rows go")
    .option("--verdict <verdicts...>", "keep these verdicts, such as correct")
    .option("--at-least <scores...>", "keep rows with these scores or higher, such as format=1 reward=0.5")
    .option("--pass-rate <from..to>", "keep prompts of which such a share of rows is correct, such as 0.1..0.9")
    .option("--duplicates <which>", "exact or near: keep one of rows that are the same, or nearly")
    .option("--similarity <share>", "what counts as nearly the same (0.8)")
    .option("--best <n>", "keep at most so many rows of a prompt")
    .option("--prefer <which>", "which of them: shortest, highest_reward or diverse (shortest)")
    .option("--against <files...>", "leave out prompts that hold a question of these evaluation sets")
    .option("--n-gram <words>", "a run of so many words in common is no chance (10)")
    .option("--overlap <share>", "the share of a question's words that makes a prompt the question reworded (0.68)")
    .action(async (dataset: string, options: FilterArguments) => {
      const { filter } = await import("./commands/filter.ts");
      await filter(dataset, options, signal);
    });

  program
    .command("doctor")
    .description("Say what works on this machine and why the rest does not; with a recipe, whether its laws hold.")
    .argument("[recipe]", "a recipe, YAML: the laws of training are tried on its model and data")
    .argument("[overrides...]", "key=value, such as student.path=models/other")
    .option("--json", "print one JSON object")
    .option("--step <name>", "of a pipeline, this step")
    .option("--install-cuda", "first get ONNX Runtime's CUDA provider, which its package leaves out")
    .action(async (recipe: string | undefined, overrides: string[], options: DoctorOptions) => {
      const { doctor } = await import("./commands/doctor.ts");
      await doctor(recipe, overrides, options, signal);
    });

  program
    .command("init")
    .description("Write a recipe to begin with, and the rows and prompts that it names.")
    .argument("<name>", "what the run is called: NAME.yaml is written")
    .option("--from <what>", "dataset: rows that are there; gguf: traces of a GGUF file; server: of a model behind one")
    .option("--dataset <path>", "the rows; solved problems to try it with unless given")
    .option("--teacher <path>", "the GGUF file, or hf:owner/name:file; a small one that comes along unless given")
    .option("--url <address>", "the server (http://127.0.0.1:8000/v1)")
    .option("--model <name>", "the model's name at the server")
    .option("--student <path>", "what is trained: a folder, a GGUF file or hf:owner/name")
    .action(async (name: string, given: InitArguments) => {
      const { init } = await import("./commands/init.ts");
      init(name, given);
    });

  program
    .command("options")
    .description("Say what may stand in a recipe: every key with its type, its default and what it is.")
    .argument("[section]", "a section, a type or a key, such as trainer, trainer.grpo or sampling.top_p")
    .option("--json", "print the JSON schema, for editors")
    .option("--keys", "print every key, one a line")
    .action(async (section: string | undefined, given: OptionsArguments) => {
      const { options } = await import("./commands/options.ts");
      options(section, given);
    });

  program
    .command("completion")
    .description("Print a script by which a shell completes commands, options, recipes and keys.")
    .argument("<shell>", "bash, zsh or fish, such as in: source <(distill completion bash)")
    .action(async (shell: string) => {
      const { completion } = await import("./commands/completion.ts");
      completion(shell, program.commands.map(completed));
    });

  function recipeCommand(name: string, description: string, optional = false): Command {
    return program
      .command(name)
      .description(description)
      .argument(optional ? "[recipe]" : "<recipe>", "a recipe, YAML")
      .argument("[overrides...]", "key=value, such as trainer.learning_rate=1e-4");
  }

  return program;
}
