// Makes Node use HTTPS_PROXY in fetch, http and https. With NODE_USE_ENV_PROXY Node 22.21 and 24.5 do so themselves,
// save in agents that a program makes on its own, as the AWS SDK does; older ones know no proxies at all.
// NODE_OPTIONS loads this into every Node program, so it costs next to nothing until a call is made, and leaves
// other runtimes alone.
"use strict";

const http = require("node:http");
const https = require("node:https");
const net = require("node:net");

const UNDICI = Symbol.for("undici.globalDispatcher.1"); // where Node's fetch and the package undici look

const { bun, deno, electron } = process.versions;
const proxy = bun || deno || electron ? null : proxyOf(process.env);

if (proxy) {
  const fetchKnowsProxies = process.allowedNodeEnvironmentFlags.has("--use-env-proxy");
  if (fetchKnowsProxies) leaveOutWarning("UNDICI-EHPA");
  else useInFetch();
  useInAgents(http.Agent, 80, (direct, agent, options, socket) => socket);
  useInAgents(https.Agent, 443, (direct, agent, options, socket) =>
    direct.call(agent, { ...options, socket }),
  );
}

function proxyOf(variables) {
  const value = variables.HTTPS_PROXY || variables.https_proxy || "";
  try {
    return value.startsWith("http://") ? new URL(value) : null;
  } catch {
    return null; // the program that reads it will say so
  }
}

function isDirect(host, port) {
  const name = host.toLowerCase().replace(/^\[|\]$/g, "");
  const entries = (process.env.NO_PROXY || process.env.no_proxy || "").toLowerCase().split(/[\s,]+/);
  return entries.filter(Boolean).some((entry) => {
    const [, bare, only] = /^\[?(.+?)\]?(?::(\d+))?$/.exec(net.isIPv6(entry) ? `[${entry}]` : entry);
    if (only && Number(only) !== Number(port)) return false;
    const domain = bare.replace(/^\*?\./, "");
    return bare === "*" || name === domain || name.endsWith(`.${domain}`);
  });
}

// With NODE_USE_ENV_PROXY Node 22 warns in every program that its support is experimental; nobody asked for that.
function leaveOutWarning(code) {
  const { emit } = process;
  process.emit = function (name, warning, ...more) {
    if (name !== "warning" || warning?.code !== code) return emit.call(this, name, warning, ...more);
    process.emit = emit;
    return false;
  };
}

function useInFetch() {
  if (UNDICI in globalThis) return; // set by the user's own preload
  // The getter is first read when Node loads its own undici, at the first fetch; ours takes 30 ms to load.
  Object.defineProperty(globalThis, UNDICI, { configurable: true, get: dispatcher, set: put });
}

function put(value) {
  Object.defineProperty(globalThis, UNDICI, { configurable: true, writable: true, value });
}

function dispatcher() {
  put(undefined);
  const { Agent, buildConnector, setGlobalDispatcher } = require("./undici.cjs");
  const connect = buildConnector({});
  setGlobalDispatcher(new Agent({ connect: throughTunnel }));
  return globalThis[UNDICI];

  function throughTunnel(options, done) {
    const secure = options.protocol === "https:";
    const port = options.port || (secure ? 443 : 80);
    if (isDirect(options.hostname, port)) {
      connect(options, done);
      return;
    }
    tunnel(options.hostname, port, (error, socket) => {
      if (error) done(error, null);
      else if (secure) connect({ ...options, httpSocket: socket }, done);
      else done(null, socket);
    });
  }
}

// On the prototype, for agents that a program makes. Those that know a proxy make connections in a way of their own.
function useInAgents(Agent, defaultPort, wrap) {
  const direct = Agent.prototype.createConnection;
  Agent.prototype.createConnection = function createConnection(options, done) {
    const host = options.host || "localhost";
    const port = options.port || defaultPort;
    const hasProxy = this.options?.proxyEnv; // Node's own global agents
    if (!done || hasProxy || options.socketPath || options.socket || isDirect(host, port)) {
      return direct.call(this, options, done);
    }
    tunnel(host, port, (error, socket) => {
      if (error) done(error);
      else done(null, wrap(direct, this, options, socket));
    });
  };
}

function tunnel(host, port, done) {
  const name = host.replace(/^\[|\]$/g, "");
  const path = `${net.isIPv6(name) ? `[${name}]` : name}:${port}`;
  const headers = { host: path };
  if (proxy.username) {
    const userinfo = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
    headers["proxy-authorization"] = `Basic ${Buffer.from(userinfo).toString("base64")}`;
  }
  const proxyHost = proxy.hostname.replace(/^\[|\]$/g, "");
  const createConnection = () => net.connect(Number(proxy.port || 80), proxyHost);
  const request = http.request({ method: "CONNECT", path, headers, createConnection });
  request.once("connect", (response, socket, head) => {
    if (response.statusCode !== 200) {
      socket.destroy();
      done(new Error(`the proxy answers ${response.statusCode} for ${path}`));
      return;
    }
    if (head.length) socket.unshift(head);
    done(null, socket);
  });
  request.once("error", done);
  request.end();
}
