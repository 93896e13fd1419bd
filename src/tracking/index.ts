export { mlflow } from "./mlflow.ts";
export { tensorboard } from "./tensorboard.ts";
