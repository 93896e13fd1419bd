/** @file A server on this machine that takes commits as the Hugging Face hub does, and checks what comes. */

import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { after } from "node:test";
import { sha256 } from "./hub.ts";

/** Tokens, by what they may do. */
export const TOKENS = { writes: "hf_writes", reads: "hf_reads" } as const;

const LARGE = 1000; // bytes from which a file goes to LFS

export type UploadHub = {
  endpoint: string;
  /** Whether each repository is private, by name. */
  repositories: Map<string, boolean>;
  /** What was committed: title, branch and the files with their content. */
  commits: { repository: string; branch: string; title: string; files: Map<string, Buffer> }[];
};

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of request) pieces.push(piece);
  return Buffer.concat(pieces);
}

/** Start one; it ends with the test file. */
export async function startUploadHub(): Promise<UploadHub> {
  const repositories = new Map<string, boolean>();
  const commits: UploadHub["commits"] = [];
  const large = new Map<string, Buffer>();
  const server = createServer(async (request, response) => {
    const url = new URL(request.url!, "http://hub");
    const body = await bodyOf(request);
    const json = (value: unknown, status = 200) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(value));
    if (url.pathname.startsWith("/lfs/")) {
      large.set(url.pathname.slice(5), body);
      return response.writeHead(200).end();
    }
    const token = request.headers.authorization?.replace("Bearer ", "");
    if (!Object.values(TOKENS).some((known) => known === token))
      return json({ error: "Invalid username or password." }, 401);
    if (url.pathname === "/api/whoami-v2") return json({ type: "user", name: "me", auth: { type: "access_token" } });
    if (token !== TOKENS.writes)
      return json({ error: "You don't have the rights to create a model under the namespace" }, 403);
    if (url.pathname === "/api/repos/create") {
      const { name, organization, visibility } = JSON.parse(body.toString());
      const repository = `${organization}/${name}`;
      if (repositories.has(repository)) return json({ error: "You already created this model repo" }, 409);
      repositories.set(repository, visibility === "private");
      return json({ url: `${endpoint}/${repository}`, id: repository });
    }
    const batch = /^\/([^/]+\/[^/]+)\.git\/info\/lfs\/objects\/batch$/.exec(url.pathname);
    if (batch) {
      const { objects } = JSON.parse(body.toString()) as { objects: { oid: string; size: number }[] };
      const actions = (oid: string) =>
        large.has(oid) ? {} : { actions: { upload: { href: `${endpoint}/lfs/${oid}` } } };
      return json({ transfer: "basic", objects: objects.map(({ oid, size }) => ({ oid, size, ...actions(oid) })) });
    }
    const [, repository, verb, branch] =
      /^\/api\/models\/([^/]+\/[^/]+)\/(preupload|commit)\/(.+)$/.exec(url.pathname) ?? [];
    if (!repository || !repositories.has(repository)) return json({ error: "Repository not found" }, 404);
    if (verb === "preupload") {
      const { files } = JSON.parse(body.toString()) as { files: { path: string; size: number }[] };
      return json({ files: files.map(({ path, size }) => ({ path, uploadMode: size >= LARGE ? "lfs" : "regular" })) });
    }
    const lines = body
      .toString()
      .split("\n")
      .map((line) => JSON.parse(line) as { key: string; value: Record<string, string> });
    const files = new Map<string, Buffer>();
    for (const { key, value } of lines) {
      if (key === "file") files.set(value.path!, Buffer.from(value.content!, "base64"));
      if (key !== "lfsFile") continue;
      const content = large.get(value.oid!);
      if (!content || sha256(content) !== value.oid) return json({ error: `${value.path} was not uploaded` }, 400);
      files.set(value.path!, content);
    }
    const { summary } = lines.find(({ key }) => key === "header")!.value;
    commits.push({ repository, branch: branch!, title: summary!, files });
    return json({
      success: true,
      commitOid: "0".repeat(40),
      commitUrl: `${endpoint}/${repository}/commit/1`,
      hookOutput: "",
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  after(async () => {
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  });
  return { endpoint, repositories, commits };
}
