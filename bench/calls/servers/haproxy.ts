import { type ProxyProgram } from './proxy.js';

/** One thread, with keep-alive connections that are shared between clients on the backend side, and no log. */
export const haproxy: ProxyProgram = {
  name: 'haproxy',
  howToInstall: 'apt-get install haproxy, or brew install haproxy',
  configure: (port, backends) => `
global
  nbthread 1
  maxconn 8192
defaults
  mode http
  option http-keep-alive
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend calls
  bind 127.0.0.1:${port} backlog 1024
  default_backend backends
backend backends
  balance roundrobin
${backends.map((backend, n) => `  server backend-${n} 127.0.0.1:${backend}`).join('\n')}
`,
  args: (config) => ['-db', '-q', '-f', config],
};
