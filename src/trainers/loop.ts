/** @file Training: the loop that all trainers share, for any objective and any source of batches. */

import { DistillError, Stopped } from "../core/errors.ts";
import { deriveSeed } from "../core/random.ts";
import { initialWeights, type Weight } from "../models/load.ts";
import type { Model, Parameter } from "../models/model.ts";
import type { Device } from "../runtime/device.ts";
import type { RunFolder } from "../store/run-folder.ts";
import type { Trained } from "../student/trained.ts";
import {
  type Best,
  CHECKPOINTS,
  hasCheckpoint,
  loadCheckpoint,
  loadWeightsOf,
  pruneCheckpoints,
  saveCheckpoint,
  writeWeight,
} from "./checkpoint.ts";
import { describeContinuation } from "./continuation.ts";
import { drawCurves, keepMetricsUntil } from "./curves.ts";
import { refuseDivergence, type Seen } from "./divergence.ts";
import { dropoutMasks } from "./dropout.ts";
import type { Report } from "./layout/layout.ts";
import { openMeasurements } from "./measurements.ts";
import type { Objective } from "./objective.ts";
import type { TrainerOptions } from "./options.ts";
import { choosePrecision } from "./precision.ts";
import { compileTraining, resetMoments } from "./program.ts";
import { scheduleConflict, scheduled } from "./schedule.ts";
import type { Source } from "./source.ts";
import { openStepLog } from "./step-log.ts";

/** What is trained and where. */
export type TrainingRun = {
  device: Device;
  model: Model;
  /** The part of the model that is trained; the rest is read as it is. An objective may have parameters of its own. */
  trained: Trained;
  /** The values to start from of those parameters of the model that no checkpoint holds. */
  weights: (parameters: readonly Parameter[]) => Iterable<Weight>;
  /** Where checkpoints/ and metrics.jsonl go. */
  folder: RunFolder;
  /** What the run was started with: a checkpoint of another one is refused. */
  fingerprint: string;
  /** What all of its result hangs on, its length too; the fingerprint unless given. */
  key?: string | undefined;
  /** Stops the run within the step that is under way, with a checkpoint of the step before. */
  signal?: AbortSignal | undefined;
  /** Show no progress. */
  silent?: boolean;
};

/** What a trainer is to the loop. */
export type Course<Batch> = { objective: Objective<Batch>; source: Source<Batch> };

/**
 * `loss` is the last step's; `tokens` were trained on in all steps so far, those before a resumption too; `done` is what this
 * call did itself, without compiling and saving.
 */
export type TrainingResult = {
  step: number;
  steps: number;
  stopped: boolean;
  /** Whether it ended before the last step, because it gained nothing more. */
  early: boolean;
  loss: number | null;
  tokens: number;
  /** Tokens that the student wrote between steps, where it did. */
  sampled?: number;
  /** The step whose weights are left, where the best are, and what it scored. */
  best?: Best;
  done: { steps: number; tokens: number; seconds: number };
};

/** Train until the last step, from the newest checkpoint if there is one. The trained weights are states of the device. */
export async function train<Batch>(
  run: TrainingRun,
  { objective, source }: Course<Batch>,
  options: TrainerOptions,
): Promise<TrainingResult> {
  const { device, model, folder, fingerprint, key = fingerprint, signal } = run;
  const own = objective.parameters ?? [];
  const trained = { ...run.trained, parameters: [...run.trained.parameters, ...own] };
  const { steps, shape } = source;
  const checkpoints = folder.place(CHECKPOINTS);

  const conflict = scheduleConflict(options);
  if (conflict) throw new DistillError(`${conflict.key}: ${conflict.message}.`);
  const { state: resumed, beyond } = await loadCheckpoint(device, trained, folder, { fingerprint, steps });
  const continuation = describeContinuation(resumed, beyond, steps, options);
  if (continuation && !run.silent) console.log(continuation);
  device.spell(resumed?.spelling);
  const restored = new Set(resumed ? trained.parameters.map(({ name }) => name) : []);
  const missing = [...model.parameters, ...(model.adapter?.parameters ?? [])].filter(({ name }) => !restored.has(name));
  for (const weight of run.weights(missing)) {
    if (signal?.aborted) throw new Stopped();
    await writeWeight(device, model, weight);
  }
  if (!resumed)
    for (const weight of initialWeights({ parameters: own, initializer_range: 0 }, options.seed))
      await writeWeight(device, model, weight);
  if (!resumed) await resetMoments(device, trained.parameters);
  else source.state?.restore(resumed.source);
  const precision = await choosePrecision(device, options.precision);
  const settings = {
    beta1: options.adam_beta1,
    beta2: options.adam_beta2,
    epsilon: options.adam_epsilon,
    weight_decay: options.weight_decay,
    rematerialize: options.gradient_checkpointing,
    precision,
    alone: !source.sampled,
  };
  const { parameters } = trained;
  const training = await compileTraining(device, model, objective, shape, settings, parameters, resumed?.optimizer);

  let step = resumed?.step ?? 0;
  let saved = resumed?.step;
  let tokens = resumed?.tokens ?? 0;
  const kept = (step: number) => hasCheckpoint(folder, step);
  const measurements = openMeasurements(source.evaluation, resumed, kept);
  let lastLoss: number | null = null;
  keepMetricsUntil(folder, step, measurements.state().evaluated);
  let unseen: Seen[] = []; // steps on which nobody has looked yet
  let asked = false;
  const look = async (): Promise<Report> => {
    const report = await training.report();
    const skipped_steps = report.skipped_steps - (resumed?.optimizer.skipped_steps ?? 0);
    if (asked) refuseDivergence({ ...report, skipped_steps }, unseen, source.unit, precision, saved, checkpoints);
    unseen = [];
    return report;
  };
  /** What the student wrote: a source knows what it wrote in a run of this key. */
  const sampled = () => {
    const now = source.sampled?.();
    const earlier = resumed?.sampled;
    const before = (earlier?.key === key ? earlier.before : earlier?.total) ?? 0;
    return now === undefined ? undefined : { key, before, total: before + now };
  };
  const save = async (state = source.state?.save()) => {
    const { loss: _, grad_norm: __, metrics: ___, ...optimizer } = await look();
    await saveCheckpoint(training.read, trained, folder, {
      step,
      steps,
      fingerprint,
      optimizer,
      tokens,
      ...measurements.state(),
      ...(device.spelling ? { spelling: device.spelling } : {}),
      sampled: sampled(),
      ...(state === undefined ? {} : { source: state }),
    });
    pruneCheckpoints(folder, options.save_total_limit, measurements.wanted()?.step);
    saved = step;
    if (source.curves) drawCurves(folder, source.curves);
  };
  /** Measure the student where it is time to. Whether that could be done. */
  const measured = async (): Promise<boolean> => {
    if (!measurements.due(step)) return true;
    const found = await source.evaluation!.measure(training);
    if (!found) return false;
    log.write({ step, ...found.metrics });
    if (measurements.take(step, found.score)) await save();
    return true;
  };
  /** The source as it was before a step that was interrupted: what it made for that is made again. */
  let interrupted: { state: unknown } | undefined;
  const log = openStepLog(folder, source, { from: step, precision, silent: run.silent ?? false });
  const proceed = device.heed(signal);
  /** Whether the student was measured wherever it was time to: a run that is stopped in its last measurement is not done. */
  let complete = false;
  const measuredSoFar = async (): Promise<boolean> => {
    complete = (await unlessStopped(measured())) ?? false;
    return complete;
  };
  try {
    while ((await measuredSoFar()) && step < steps && !measurements.exhausted() && !signal?.aborted) {
      const start = performance.now();
      const state = structuredClone(source.state?.save());
      interrupted = { state };
      const made = await unlessStopped(Promise.resolve(source.step(step)));
      if (!made) break;
      const { batches, rows } = made;
      const masks = batches.map((_, i) =>
        dropoutMasks(model.adapter, shape, deriveSeed(options.seed, "dropout", step, i)),
      );
      const learning_rate = options.learning_rate * scheduled(step + 1, steps, options);
      const began = performance.now();
      if (batches.length > 0) {
        const settings = { learning_rate, max_grad_norm: options.max_grad_norm, masks };
        if (!(await unlessStopped(training.ask(batches, settings).then(() => true)))) break;
        asked = true;
      }
      interrupted = undefined;
      step++;
      unseen.push({ step, rows });
      const logged = step % options.logging_steps === 0 || step === steps || step === 1;
      const saves = step % options.save_steps === 0 && step < steps;
      const report = logged || saves || !device.resident ? await look() : undefined;
      const seconds = (performance.now() - start) / 1000;
      tokens += made.tokens;
      log.count(made.tokens, seconds);
      if (report) {
        if (batches.length > 0) {
          lastLoss = report.loss;
          source.observe?.(step - 1, report.metrics);
        }
        const looked = { step, made, report, learning_rate, training: (performance.now() - began) / 1000 };
        log.say(looked, measurements.said(), logged);
      }
      if (saves) await save();
    }
  } finally {
    log.end();
    await source.close?.();
  }
  await proceed();
  if (saved !== step && step > 0) {
    if (signal?.aborted && !run.silent) console.log(`Saving what step ${step} came to.`);
    await (interrupted ? save(interrupted.state) : save());
  }
  await training.release();
  const early = complete && step < steps && measurements.exhausted();
  const stopped = !complete || (step < steps && !early);
  const best = stopped ? undefined : measurements.wanted();
  if (best && best.step !== step) await loadWeightsOf(device, run.trained, folder, best.step);
  const written = sampled();
  return {
    step,
    steps,
    stopped,
    early,
    loss: lastLoss,
    tokens,
    done: log.done,
    ...(best ? { best } : {}),
    ...(written ? { sampled: written.total } : {}),
  };
}

/** Nothing where the device was interrupted. */
const unlessStopped = <Done>(work: Promise<Done>): Promise<Done | undefined> =>
  work.catch((error: unknown) => {
    if (error instanceof Stopped) return undefined;
    throw error;
  });
