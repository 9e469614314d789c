import { type ProxyProgram } from './proxy.js';

/** One worker, keep-alive on both sides, no access log: as fast as possible without changing the protocol. */
export const nginx: ProxyProgram = {
  name: 'nginx',
  howToInstall: 'apt-get install nginx-light, or brew install nginx',
  configure: (port, backends, directory) => `
worker_processes 1;
daemon off;
pid ${directory}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  client_body_temp_path ${directory}/body;
  proxy_temp_path ${directory}/proxy;
  fastcgi_temp_path ${directory}/fastcgi;
  uwsgi_temp_path ${directory}/uwsgi;
  scgi_temp_path ${directory}/scgi;
  keepalive_requests 1000000000;
  upstream backends {
${backends.map((backend) => `    server 127.0.0.1:${backend};`).join('\n')}
    keepalive 1024;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://backends;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffers 16 16k;
      proxy_max_temp_file_size 0;
    }
  }
}
`,
  args: (config, directory) => ['-p', directory, '-e', 'stderr', '-c', config],
};
