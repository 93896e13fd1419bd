/**
 * @file What stands in a realm between Python and the process: standard streams with an end, the channel to the other side
 * of a judgement, and the way back to the state in which a program finds the interpreter.
 *
 * A program can change the memory of its machine, the machine's globals and tables, and what the imports that it calls
 * change. `reset` writes the first two back. Of the imports those that leave something behind mark the realm as spent, and so
 * does anything that ended a run from outside; a spent realm is thrown away.
 */

/** `lines` are the Python statements that can be run, by name. */
export const session = (lines: Record<string, string>, stackBytes: number) => `"use strict";
globalThis.session = (() => {
  const { FS } = python, { exports } = instance, encoder = new TextEncoder(), decoder = new TextDecoder();
  const { stringify, parse } = JSON;
  // nothing goes on after a run
  globalThis.setTimeout = () => 0;
  let input = new Uint8Array(), at = 0, chunks = [], size = 0, room = 0, over = false;
  python.setStdin({ read(buffer) {
    const n = Math.min(buffer.length, input.length - at);
    buffer.set(input.subarray(at, at + n));
    at += n;
    return n;
  } });
  python.setStdout({ write(buffer) {
    if (size + buffer.length > room) { over = true; throw new Error("too much output"); }
    size += buffer.length;
    chunks.push(buffer.slice());
    return buffer.length;
  } });
  python.setStderr({ write: (buffer) => buffer.length });

  let peer = () => "", incoming = new Uint8Array(), read = 0, outgoing = "";
  const receive = (text) => { incoming = encoder.encode(text + "\\n"); read = 0; };
  const said = () => { const text = outgoing; outgoing = ""; return text.slice(0, -1); };
  const device = FS.makedev(64, 0);
  FS.registerDevice(device, {
    open(stream) { stream.seekable = false; },
    close() {},
    read(stream, buffer, offset, length) {
      if (read === incoming.length && outgoing[0] === "?" && outgoing.endsWith("\\n")) {
        let answer = "!null";
        const asked = said();
        try { answer = peer(asked); } catch {}
        receive(String(answer));
      }
      const piece = incoming.subarray(read, read + length);
      buffer.set(piece, offset);
      read += piece.length;
      return piece.length;
    },
    write(stream, buffer, offset, length) {
      if (outgoing.length + length > ${64 << 20}) throw new Error("too much said");
      outgoing += decoder.decode(buffer.subarray(offset, offset + length));
      return length;
    },
  });
  FS.mkdev("/dev/channel", device);
  if (FS.open("/dev/channel", 2).fd !== 3) throw new Error("the channel is not where it should be");

  const heap = () => new Uint8Array(exports.memory.buffer);
  const lines = Object.create(null);
  for (const [name, line] of ${JSON.stringify(Object.entries(lines))}) {
    const bytes = encoder.encode(line + "\\0");
    lines[name] = exports.malloc(bytes.length);
    heap().set(bytes, lines[name]);
  }
  // programs recurse: a longer stack than the interpreter's own, where there is room for one, of which Python is told
  if (${stackBytes} > ${1 << 20}) {
    const bottom = (exports.malloc(${stackBytes} + 16) + 15) & ~15;
    exports.emscripten_stack_set_limits(bottom + ${stackBytes}, bottom);
    exports.__stack_pointer.value = bottom + ${stackBytes};
    exports.PyUnstable_ThreadState_SetStackProtection(exports.PyThreadState_Get(), bottom, ${stackBytes});
  }

  let depth = 0;
  const run = (name) => {
    const state = depth++ > 0 ? exports.PyGILState_Ensure() : undefined;
    exports.PyRun_SimpleString(lines[name]);
    if (state !== undefined) exports.PyGILState_Release(state);
    depth--;
  };

  const globals = Object.keys(exports).filter((name) => /^state_global_|^__stack_pointer$/.test(name)).map((name) => exports[name]);
  const tables = Object.keys(exports).filter((name) => name.startsWith("state_table_")).map((name) => exports[name]);
  let idle;
  const streamState = (stream) => stream && { stream, fd: stream.fd, shared: stream.shared, kept: { ...stream.shared } };
  return {
    connect(remote) { peer = remote; },
    run(text, name) {
      const [message, stdin, limit] = parse(text);
      input = encoder.encode(stdin);
      at = 0;
      chunks = [];
      size = 0;
      room = limit;
      over = false;
      let failed;
      receive(message);
      try { run(name); }
      catch (error) { judged.dirty = "exception"; failed = String(error?.message ?? error).slice(0, 300); }
      const all = new Uint8Array(size);
      let n = 0;
      for (const chunk of chunks) { all.set(chunk, n); n += chunk.length; }
      return stringify({ said: said(), over, stdout: decoder.decode(all), failed });
    },
    serve(text, name) {
      const before = [incoming, read];
      receive(text);
      try { run(name); }
      catch (error) { judged.dirty = "exception"; return '!{"error":[["RuntimeError"],"the interpreter broke down",null,null]}'; }
      [incoming, read] = before;
      return said();
    },
    /** Take this state as the one to come back to. */
    keep() {
      judged.dirty = false;
      reseed();
      idle = {
        memory: heap().slice(),
        globals: globals.map((global) => global.value),
        tables: tables.map((table) => table.length),
        streams: FS.streams.map(streamState),
      };
    },
    /** Why the realm is spent, or "" where it is again as it was kept. */
    reset() {
      if (depth > 0) return "it was left in the midst of a run";
      if (judged.dirty) return String(judged.dirty);
      if (exports.memory.buffer.byteLength > idle.memory.length + ${128 << 20}) return "it has grown";
      if (tables.some((table, i) => table.length !== idle.tables[i])) return "its tables have grown";
      const bytes = heap();
      bytes.set(idle.memory);
      bytes.fill(0, idle.memory.length);
      globals.forEach((global, i) => { global.value = idle.globals[i]; });
      FS.streams.length = idle.streams.length;
      idle.streams.forEach((state, fd) => {
        FS.streams[fd] = state?.stream ?? null;
        if (!state) return;
        state.stream.fd = state.fd;
        state.stream.shared = state.shared;
        Object.assign(state.shared, state.kept);
      });
      incoming = new Uint8Array();
      input = new Uint8Array();
      read = at = 0;
      outgoing = "";
      chunks = [];
      reseed();
      return "";
    },
  };
})();`;
