/**
 * @file Runs a template as Python's Jinja does. The library's own interpreter gives values JavaScript's meaning (the text of
 * booleans and lists, equality, scopes, methods), so only its syntax tree is used.
 */

import { filtered } from "./filters.ts";
import { attributeOf, BINARY, itemOf, sliceOf, unary } from "./operators.ts";
import { loopState, Scope } from "./scope.ts";
import { passes } from "./tests.ts";
import { str } from "./text.ts";
import { mentions, type Node } from "./tree.ts";
import { type Callable, equal, float, items, keyOf, Namespace, Tuple, truth, typeName } from "./values.ts";

/** Where text goes: what was written before a loop is left stays written. */
type Sink = string[];

class Break extends Error {}
class Continue extends Error {}

/** Told what each step gives, and of a loop how many scopes it makes: stops what costs too much. */
export type Charge = (value: unknown, scopes: number) => void;

export class Interpreter {
  private readonly charge: Charge;

  constructor(charge: Charge) {
    this.charge = charge;
  }

  /** The text of a template, or of a part of one. */
  render(body: readonly Node[], scope: Scope): string {
    const out: Sink = [];
    this.write(body, scope, out);
    return out.join("");
  }

  private write(body: readonly Node[], scope: Scope, out: Sink): void {
    for (const node of body) {
      this.charge(undefined, 0);
      switch (node.type) {
        case "Comment":
          break;
        case "Set":
          this.assign(
            node.assignee!,
            node.value ? this.value(node.value as Node, scope) : this.render(node.body!, scope),
            scope,
          );
          break;
        case "If":
          this.write(truth(this.value(node.test, scope)) ? node.body! : node.alternate!, scope, out);
          break;
        case "For":
          this.loop(node, scope, out);
          break;
        case "Macro":
          scope.names.set(
            node.name!.value as string,
            this.macro(node.name!.value as string, node.args!, node.body!, scope),
          );
          break;
        case "CallStatement": {
          const caller = this.macro("caller", node.callerArgs ?? [], node.body!, scope);
          out.push(str(this.call(node.call!, scope, [["caller", caller]])));
          break;
        }
        case "FilterStatement":
          out.push(str(this.filter(this.render(node.body!, scope), node.filter!, scope)));
          break;
        case "Break":
          throw new Break();
        case "Continue":
          throw new Continue();
        default:
          out.push(str(this.value(node, scope)));
      }
    }
  }

  private value(node: Node | undefined, scope: Scope): unknown {
    if (!node) return undefined;
    const result = this.evaluated(node, scope);
    this.charge(result, 0);
    return result;
  }

  private evaluated(node: Node, scope: Scope): unknown {
    const value = (part: Node | undefined) => this.value(part, scope);
    switch (node.type) {
      case "IntegerLiteral":
      case "StringLiteral":
        return node.value;
      case "FloatLiteral":
        return float(node.value as number);
      case "ArrayLiteral":
        return (node.value as Node[]).map(value);
      case "TupleLiteral":
        return Tuple.from((node.value as Node[]).map(value));
      case "ObjectLiteral":
        return new Map([...(node.value as Map<Node, Node>)].map(([key, one]) => [keyOf(value(key)), value(one)]));
      case "Identifier":
        return scope.get(node.value as string);
      case "MemberExpression":
        return this.member(node, scope);
      case "CallExpression":
        return this.call(node, scope);
      case "FilterExpression":
        return this.filter(value(node.operand), node.filter!, scope);
      case "TestExpression":
        return passes(node.test!.value as string, value(node.operand)) !== node.negate;
      case "UnaryExpression":
        return unary(node.operator!.value, value(node.argument));
      case "BinaryExpression":
        return this.binary(node, scope);
      case "Ternary":
        return truth(value(node.condition)) ? value(node.trueExpr) : value(node.falseExpr);
      case "SelectExpression": // a if b
        return truth(value(node.test)) ? value(node.lhs) : undefined;
      default:
        throw new Error(`it has a part that is not known: ${node.type}`);
    }
  }

  /** Bind what stands left of an assignment or in a loop. */
  private assign(target: Node, given: unknown, scope: Scope): void {
    if (target.type === "Identifier") scope.names.set(target.value as string, given);
    else if (target.type === "TupleLiteral") {
      const [names, values] = [target.value as Node[], items(given)];
      if (names.length !== values.length)
        throw new Error(`${values.length} values are unpacked where ${names.length} are expected`);
      for (const [i, name] of names.entries()) this.assign(name, values[i], scope);
    } else {
      const object = this.value(target.object, scope);
      if (!(object instanceof Namespace)) throw new Error("it assigns to an attribute of what is no namespace");
      object.names.set(target.property!.value as string, given);
    }
  }

  private loop({ loopvar, iterable, body, defaultBlock }: Node, scope: Scope, out: Sink): void {
    const chosen = iterable!.type === "SelectExpression"; // for … in lhs if test
    const all = items(this.value(chosen ? iterable!.lhs : iterable, scope));
    this.charge(undefined, all.length);
    const bound = (item: unknown) => {
      const inner = new Scope(scope);
      this.assign(loopvar!, item, inner);
      return inner;
    };
    const kept = chosen ? all.filter((item) => truth(this.value(iterable!.test, bound(item)))) : all;
    let [ended, last]: [boolean, unknown] = [false, undefined];
    const changed: Callable = (args) => {
      const before = last;
      last = args;
      return before === undefined || !equal(before, args);
    };
    for (const [i, item] of kept.entries()) {
      const inner = bound(item);
      inner.names.set("loop", loopState(kept, i, changed));
      try {
        this.write(body!, inner, out);
        ended = true;
      } catch (error) {
        if (error instanceof Break) break;
        if (!(error instanceof Continue)) throw error;
      }
    }
    // else: where no turn of the loop came to its end
    if (!ended) this.write(defaultBlock!, new Scope(scope), out);
  }

  /** A macro, or the body of a call: it sees the names where it stands, not those where it is called. */
  private macro(name: string, parameters: readonly Node[], body: readonly Node[], scope: Scope): Callable {
    const names = parameters.map((one) => (one.type === "Identifier" ? one.value : one.key!.value) as string);
    const wanted = (["varargs", "kwargs", "caller"] as const).filter((key) => mentions(body, key));
    return (args, named) => {
      const inner = new Scope(scope);
      const rest = new Map([...named].filter(([key]) => !names.includes(key)));
      const extras = { varargs: Tuple.from(args.slice(names.length)), caller: rest.get("caller"), kwargs: rest };
      for (const key of wanted) inner.names.set(key, extras[key]);
      rest.delete("caller");
      if (args.length > names.length && !inner.names.has("varargs"))
        throw new Error(`macro '${name}' takes not more than ${names.length} argument(s)`);
      if (rest.size > 0 && !inner.names.has("kwargs"))
        throw new Error(`macro '${name}' takes no keyword argument '${[...rest.keys()][0]}'`);
      for (const [i, key] of names.entries()) inner.names.set(key, i < args.length ? args[i] : named.get(key));
      for (const [i, parameter] of parameters.entries())
        if (parameter.type !== "Identifier" && i >= args.length && !named.has(names[i]!))
          inner.names.set(names[i]!, this.value(parameter.value as Node, inner));
      return this.render(body, inner);
    };
  }

  private call({ callee, args }: Node, scope: Scope, also: readonly (readonly [string, unknown])[] = []): unknown {
    const called = this.value(callee, scope);
    if (typeof called !== "function")
      throw new Error(
        `it calls ${described(callee!)}, which is ${called === undefined ? "undefined" : `a '${typeName(called)}'`}`,
      );
    const [places, named] = this.argumentsIn(args!, scope);
    return (called as Callable)(places, new Map([...named, ...also]));
  }

  private argumentsIn(args: readonly Node[], scope: Scope): [unknown[], Map<string, unknown>] {
    const [places, named]: [unknown[], Map<string, unknown>] = [[], new Map()];
    for (const arg of args)
      if (arg.type === "SpreadExpression") places.push(...items(this.value(arg.argument, scope)));
      else if (arg.type === "KeywordArgumentExpression")
        named.set(arg.key!.value as string, this.value(arg.value as Node, scope));
      else if (arg.type === "KeywordSpreadExpression")
        for (const [key, one] of this.value(arg.argument, scope) as Map<string, unknown>) named.set(key, one);
      else places.push(this.value(arg, scope));
    return [places, named];
  }

  private filter(given: unknown, node: Node, scope: Scope): unknown {
    const [name, args] = node.type === "CallExpression" ? [node.callee!, node.args!] : [node, []];
    return filtered(name.value as string, given, ...this.argumentsIn(args, scope));
  }

  private member({ object: of, property, computed }: Node, scope: Scope): unknown {
    const object = this.value(of, scope);
    if (object === undefined) throw new Error(`${described(of!)} is undefined`);
    const { type, value, start, stop, step } = property!;
    if (type === "SliceExpression")
      return sliceOf(
        object,
        [start, stop, step].map((bound) => this.value(bound, scope)),
      );
    if (computed) return itemOf(object, this.value(property, scope));
    return typeof value === "number" ? itemOf(object, value) : attributeOf(object, value as string);
  }

  private binary({ operator, left, right }: Node, scope: Scope): unknown {
    const a = this.value(left, scope);
    const { value: name } = operator!;
    if (name === "and" || name === "or") return truth(a) === (name === "and") ? this.value(right, scope) : a;
    return BINARY[name]!(a, this.value(right, scope));
  }
}

/** An expression as a template has it, for sentences. */
function described({ type, value, object, property, computed }: Node): string {
  if (type === "Identifier") return `'${value}'`;
  return type === "MemberExpression" && !computed ? `'${property!.value}' of ${described(object!)}` : "a part of it";
}
