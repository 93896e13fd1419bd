import type { JsonSchema } from "../../src/recipe/schema.ts";

const KNOWN = new Set([
  ...["$schema", "$defs", "$ref", "title", "description", "default", "type", "const", "enum", "properties", "required"],
  ...["additionalProperties", "propertyNames", "items", "prefixItems", "anyOf", "oneOf", "if", "then", "else"],
  ...["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "pattern", "minItems", "maxItems"],
]);

/** What is wrong with a value by a JSON schema, as far as ours goes: a keyword that is not known here is an error. */
export function faultsOf(value: unknown, schema: JsonSchema, root: JsonSchema = schema, at = "$"): string[] {
  for (const keyword of Object.keys(schema))
    if (!KNOWN.has(keyword)) throw new Error(`The keyword ${keyword} at ${at}.`);
  if (schema.$ref) {
    const name = schema.$ref.replace("#/$defs/", "");
    const { $ref: _, ...beside } = schema;
    const target = (root.$defs as Record<string, JsonSchema>)[name];
    if (!target) throw new Error(`There is no ${schema.$ref}.`);
    return [...faultsOf(value, target, root, at), ...faultsOf(value, beside, root, at)];
  }
  const within = (inner: JsonSchema, part: unknown = value, where = at) => faultsOf(part, inner, root, where);
  const faults: string[] = [];
  const refuse = (unless: boolean, what: string) => {
    if (!unless) faults.push(`${at}: ${what}`);
  };
  if (schema.type !== undefined)
    refuse(
      [schema.type].flat().some((type) => isOf(type, value)),
      `not ${schema.type}`,
    );
  if ("const" in schema) refuse(value === schema.const, `not ${schema.const}`);
  if (schema.enum) refuse(schema.enum.includes(value), `not one of ${schema.enum.join()}`);
  if (typeof value === "number") {
    const limit = (keyword: string) => schema[keyword] as number | undefined;
    refuse(value >= (limit("minimum") ?? value), "too small");
    refuse(value <= (limit("maximum") ?? value), "too big");
    refuse(value > (limit("exclusiveMinimum") ?? Number.NEGATIVE_INFINITY), "too small");
    refuse(value < (limit("exclusiveMaximum") ?? Number.POSITIVE_INFINITY), "too big");
  }
  if (typeof value === "string") {
    refuse(value.length >= ((schema.minLength as number | undefined) ?? 0), "too short");
    refuse(schema.pattern === undefined || new RegExp(schema.pattern as string).test(value), "another pattern");
  }
  if (Array.isArray(value)) {
    refuse(value.length >= ((schema.minItems as number | undefined) ?? 0), "too few");
    value.forEach((item, i) => {
      const inner = schema.prefixItems?.[i] ?? schema.items;
      if (inner) faults.push(...within(inner, item, `${at}[${i}]`));
    });
  } else if (typeof value === "object" && value !== null) {
    for (const key of schema.required ?? []) refuse(key in value, `no ${key}`);
    for (const [key, part] of Object.entries(value)) {
      const inner = schema.properties?.[key] ?? schema.additionalProperties;
      if (inner === false) faults.push(`${at}: unknown ${key}`);
      else if (typeof inner === "object") faults.push(...within(inner, part, `${at}.${key}`));
    }
  }
  const matching = (all: JsonSchema[]) => all.filter((one) => within(one).length === 0).length;
  if (schema.anyOf) refuse(matching(schema.anyOf) > 0, "none of anyOf");
  if (schema.oneOf) refuse(matching(schema.oneOf) === 1, "not exactly one of oneOf");
  if (schema.if) {
    const branch = within(schema.if as JsonSchema).length === 0 ? schema.then : schema.else;
    if (branch) faults.push(...within(branch as JsonSchema));
  }
  return faults;
}

function isOf(type: string, value: unknown): boolean {
  if (type === "null") return value === null;
  if (type === "array") return Array.isArray(value);
  if (type === "object") return typeof value === "object" && value !== null && !Array.isArray(value);
  if (type === "integer") return Number.isInteger(value);
  return typeof value === type;
}
