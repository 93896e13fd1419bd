/** @file A server on this machine that answers as the Hugging Face hub does, and can be told to fail as networks do. */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";

export type FakeFiles = Record<string, string | Buffer>;

export type FakeHub = {
  endpoint: string;
  /** What was asked: method, path with query, range, and whether it came with a token; "cdn" for the other host. */
  requests: {
    host: "hub" | "cdn";
    method: string;
    path: string;
    range: string | undefined;
    token: string | undefined;
  }[];
  /** Put files into a repository as its next commit, under a branch; the commit. */
  commit(repository: string, files: FakeFiles, branch?: string): string;
  faults: {
    /** Bytes after which the connection is cut, by file name; `times` is how often. */
    cut?: { file: string; bytes: number; times: number };
    /** A file whose content comes with one bit flipped. */
    corrupt?: string | undefined;
    /** Ranges are not known. */
    whole?: boolean;
    /** A file that comes in pieces of `bytes` every `ms`. */
    slow?: { file: string; bytes: number; ms: number } | undefined;
    /** The token that every repository asks for. */
    gated?: string | undefined;
    /** Answers the API gives instead, by the beginning of the path. */
    answers?: Record<string, unknown>;
  };
  close(): Promise<void>;
};

const LARGE = 1000; // bytes from which a file is in LFS, which lies on another host
const PAGE = 3; // entries in a page of a listing

export const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");
export const gitHash = (content: Buffer) =>
  createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");

/** Start one; it ends with the test file. */
export async function startHub(): Promise<FakeHub> {
  const commits = new Map<string, Map<string, Buffer>>(); // by repository and commit
  const branches = new Map<string, string>(); // by repository and branch
  const contents = new Map<string, { name: string; content: Buffer }>(); // by sha256
  const requests: FakeHub["requests"] = [];
  const faults: FakeHub["faults"] = {};

  const send = (request: IncomingMessage, response: ServerResponse, name: string, content: Buffer, headers: object) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? "")?.[1] ?? Number.NaN);
    const ranged = !Number.isNaN(from) && !faults.whole;
    if (ranged && from >= content.length && content.length > 0)
      return response.writeHead(416, { "content-range": `bytes */${content.length}` }).end();
    const body = Buffer.from(content.subarray(ranged ? from : 0));
    if (faults.corrupt === name) body[body.length - 1]! ^= 1;
    const range = { "content-range": `bytes ${from}-${content.length - 1}/${content.length}` };
    response.writeHead(ranged ? 206 : 200, { "content-length": body.length, ...headers, ...(ranged ? range : {}) });
    if (request.method === "HEAD") return response.end();
    const { cut, slow } = faults;
    if (cut?.file === name && cut.times > 0) {
      cut.times--;
      return response.write(body.subarray(0, cut.bytes), () => response.destroy());
    }
    if (slow?.file !== name) return response.end(body);
    let at = 0;
    const timer = setInterval(() => {
      if (response.destroyed) return clearInterval(timer);
      response.write(body.subarray(at, at + slow.bytes));
      at += slow.bytes;
      if (at >= body.length) response.end();
      if (at >= body.length) clearInterval(timer);
    }, slow.ms);
  };

  const note = (host: "hub" | "cdn", { method, url, headers }: IncomingMessage) =>
    requests.push({ host, method: method!, path: url!, range: headers.range, token: headers.authorization });

  const cdn = createServer((request, response) => {
    note("cdn", request);
    const found = contents.get(request.url!.slice(1));
    if (!found) return response.writeHead(404).end();
    send(request, response, found.name, found.content, { etag: `"${request.url!.slice(1)}"` });
  });

  const hub = createServer((request, response) => {
    note("hub", request);
    const url = new URL(request.url!, "http://hub");
    const fail = (status: number, code: string, error: string) =>
      response
        .writeHead(status, { "content-type": "application/json", "x-error-code": code })
        .end(JSON.stringify({ error }));
    const json = (value: unknown, headers: object = {}) =>
      response.writeHead(200, { "content-type": "application/json", ...headers }).end(JSON.stringify(value));
    for (const [path, answer] of Object.entries(faults.answers ?? {}))
      if (url.pathname.startsWith(path)) {
        if (typeof answer === "number") return fail(answer, "", "no");
        return typeof answer === "string" ? response.end(answer) : json(answer);
      }
    const asked =
      /^\/(?:api\/(models|datasets)\/)?((?:datasets\/)?[^/]+\/[^/]+)\/(revision|tree|resolve)\/([^/]+)(?:\/(.*))?$/.exec(
        url.pathname,
      );
    if (!asked) return fail(404, "", "no such address");
    const [, kind, path, verb, revision, rest = ""] = asked.map((part) => decodeURIComponent(part ?? ""));
    const repository = kind === "datasets" ? `datasets/${path}` : path!;
    if (faults.gated && request.headers.authorization !== `Bearer ${faults.gated}`)
      return fail(401, "GatedRepo", "Access is restricted");
    if (![...branches.keys()].some((key) => key.startsWith(`${repository} `)))
      return fail(401, "RepoNotFound", "Repository not found");
    const sha = branches.get(`${repository} ${revision}`) ?? revision!;
    const files = commits.get(`${repository} ${sha}`);
    if (!files) return fail(404, "RevisionNotFound", `Invalid rev id: ${revision}`);
    if (verb === "revision")
      return json({ _id: "1", id: repository, sha, lastModified: "2026-01-01T00:00:00.000Z", siblings: [] });
    if (verb === "tree") {
      const folder = rest ? `${rest}/` : "";
      const entries = [...files]
        .filter(([name]) => name.startsWith(folder))
        .map(([name, content]) => {
          const [first, ...below] = name.slice(folder.length).split("/");
          const entry = { path: folder + first, size: content.length, oid: gitHash(content) };
          if (below.length > 0) return { ...entry, type: "directory", size: 0 };
          const lfs = { oid: sha256(content), size: content.length, pointerSize: 120 };
          return { ...entry, type: "file", ...(content.length >= LARGE ? { lfs } : {}) };
        })
        .filter(({ path }, i, all) => all.findIndex((other) => other.path === path) === i);
      if (folder && entries.length === 0) return fail(404, "EntryNotFound", "no such folder");
      const start = Number(url.searchParams.get("cursor") ?? 0);
      url.searchParams.set("cursor", String(start + PAGE));
      const next = `<${endpointOf(hub)}${url.pathname}${url.search}>; rel="next"`;
      return json(entries.slice(start, start + PAGE), start + PAGE < entries.length ? { link: next } : {});
    }
    const content = files.get(rest);
    if (!content) return fail(404, "EntryNotFound", "no such file");
    const commit = { "x-repo-commit": sha };
    if (content.length < LARGE)
      return send(request, response, rest, content, { ...commit, etag: `"${gitHash(content)}"` });
    const hash = sha256(content);
    contents.set(hash, { name: rest, content });
    const linked = { "x-linked-size": content.length, "x-linked-etag": `"${hash}"`, etag: `"${hash}"` };
    return response.writeHead(302, { ...commit, ...linked, location: `${endpointOf(cdn)}/${hash}` }).end();
  });

  await Promise.all([hub, cdn].map((server) => new Promise<void>((done) => server.listen(0, "127.0.0.1", done))));
  const close = async () => {
    for (const server of [hub, cdn]) {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }
  };
  after(close);
  return {
    endpoint: endpointOf(hub),
    requests,
    faults,
    close,
    commit(repository, files, branch = "main") {
      const content = Object.entries(files).map(([name, text]) => [name, Buffer.from(text)] as const);
      const sha = createHash("sha1").update(`${repository} ${commits.size}`).digest("hex");
      commits.set(`${repository} ${sha}`, new Map(content));
      branches.set(`${repository} ${branch}`, sha);
      return sha;
    },
  };
}

const endpointOf = (server: Server) => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
