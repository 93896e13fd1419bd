export { accumulation } from "./accumulation.ts";
export { devices_agree } from "./devices.ts";
export { finite_difference } from "./gradient.ts";
export { lora_merged } from "./lora.ts";
export { packed_loss, segments_apart } from "./packing.ts";
export { resume } from "./resume.ts";
export { supervision } from "./supervision.ts";
