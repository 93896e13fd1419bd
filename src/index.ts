/** @file The public API. */

export { gradients } from "./compiler/gradients.ts";
export { DistillError, ShapeError } from "./core/errors.ts";
export { type FinishReason, type Judgement, type Message, type Prompt, VERDICTS, type Verdict } from "./core/trace.ts";
export { type Batch, type BatchShape, batchShape, layOut, type Row, type Segment } from "./data/batch.ts";
export { allOf, inMemory, type Segments } from "./data/example-store.ts";
export { type Examples, readExamples } from "./data/examples.ts";
export { type PackedRow, pack, rowsOf, unpacked } from "./data/packing.ts";
export { readTrainingRows, type TrainingRow } from "./data/rows.ts";
export { toSegments } from "./data/segments.ts";
export { loadTokenizer, type Tokenizer } from "./data/tokenizer.ts";
export { defineExporter, type Exported, type Exporter, type Source } from "./exporters/exporter.ts";
export * as exporters from "./exporters/index.ts";
export {
  compareRunner,
  continueGreedily,
  type ParityReport,
  requireParity,
} from "./exporters/parity.ts";
export { openOnnxRunner } from "./exporters/runners/onnx.ts";
export { openReferenceRunner } from "./exporters/runners/reference.ts";
export type { Continuation, ReferenceRunner, Runner } from "./exporters/runners/runner.ts";
export { openGguf } from "./formats/gguf-reader.ts";
export { openLogits, type TextLogits } from "./generation/logits.ts";
export { openScorer, type ScoredText, type Scorer, type Scores } from "./generation/logprobs.ts";
export {
  type Completion,
  type CompletionOptions,
  type CompletionRequest,
  openSampler,
  type Sampler,
} from "./generation/sampler.ts";
export { defineOp, type Op } from "./graph/op.ts";
export { constant, type DType, input, scalar, type Value } from "./graph/value.ts";
export { openJudges, openRules } from "./judging/open.ts";
export { readAdapter, readAdapterOptions, type StoredAdapter } from "./models/adapter-folder.ts";
export { loadAdapter, mergedWeights } from "./models/adapter-weights.ts";
export { createModel, initialWeights, loadWeights, type ModelConfig, readConfig } from "./models/load.ts";
export { type Adapter, LoraOptions } from "./models/lora.ts";
export { defineFamily, type Model } from "./models/model.ts";
export { saveWeights } from "./models/save.ts";
export { attention } from "./nn/attention.ts";
export { chunkedLoss, type TokenRule } from "./nn/chunked-loss.ts";
export { crossEntropy } from "./nn/cross-entropy.ts";
export { geglu } from "./nn/geglu.ts";
export { linear } from "./nn/linear.ts";
export { lora } from "./nn/lora.ts";
export { swiglu } from "./nn/swiglu.ts";
export { checkpoint } from "./ops/checkpoint.ts";
export * as ops from "./ops/index.ts";
export { type Recipe, readRecipe } from "./recipe/recipe.ts";
export { createRewards, type RewardSpec } from "./rewards/create.ts";
export * as rewards from "./rewards/index.ts";
export { judge, judgeGroup, type WeightedReward } from "./rewards/judge.ts";
export { type Grade, gradeMath, type Profile } from "./rewards/math/index.ts";
export { loadReward } from "./rewards/module.ts";
export { defineReward, type Reward, type Sample, type Score } from "./rewards/reward.ts";
export { type Device, type DeviceName, openDevice, type Program } from "./runtime/device.ts";
export { type Tensor, tensor } from "./runtime/tensor.ts";
export { openRunFolder, plainRunFolder, type RunFolder, readRunFolder } from "./store/run-folder.ts";
export { type Trained, trainedPart } from "./student/trained.ts";
export {
  defineTeacher,
  type GenerateOptions,
  type Generation,
  type SampleRequest,
  type SamplingOptions,
  type Teacher,
} from "./teachers/teacher.ts";
export * as trainers from "./trainers/index.ts";
export type { Report } from "./trainers/layout/layout.ts";
export { TrainerOptions } from "./trainers/options.ts";
export { compileTraining, type StepSettings, type Training } from "./trainers/program.ts";
export { defineTrainer, type Trainer, trainWith } from "./trainers/trainer.ts";
