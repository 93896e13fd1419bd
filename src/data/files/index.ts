export { arrow } from "./arrow.ts";
export { json } from "./json.ts";
export { parquet } from "./parquet.ts";
export { csv, tsv } from "./separated.ts";
export { text } from "./text.ts";
