// Made of format-3.0.yaml by nest-service-discovery kong import.
import { type ServiceDiscoveryOptions } from 'nest-service-discovery';

export const kongOptions = {
  services: [
    {
      name: 'search',
      targets: ['grpcs://search:50051'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-search',
    },
    {
      name: 'billing',
      targets: ['http://billing.internal:8081'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong',
    },
    {
      name: 'pay',
      targets: ['https://pay.internal:8443/pay'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong',
    },
    {
      name: 'users-v2',
      targets: ['ws://10.3.0.2:80'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-users-v2',
    },
    {
      name: 'byPath',
      targets: ['http://10.3.0.3:80'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-byPath',
    },
    {
      name: 'byQuery',
      targets: ['http://10.3.0.4:80'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-byQuery',
    },
    {
      name: 'byCapture',
      targets: ['http://10.3.0.5:80'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-byCapture',
    },
    {
      name: 'byConsumer',
      targets: [{ url: 'http://10.3.0.6:80', weight: 65535 }],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong-byConsumer',
    },
    {
      name: '10.3.0.1',
      targets: ['tcp://10.3.0.1:80'],
      healthCheckPath: null,
      tags: ['managed-by-deck'],
      tier: 'kong',
    },
  ],
  patterns: {
    'kong-search': {
      loadBalancing: { strategy: 'p2c_ewma' },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
    kong: { timeout: '10s', attemptTimeout: '5s', retry: { maxAttempts: 2 }, circuitBreaker: false },
    'kong-users-v2': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: { cookie: 'sticky' } } },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
    'kong-byPath': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: 'path' } },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
    'kong-byQuery': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: [{ query: 'user' }, { header: 'x-user' }] } },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
    'kong-byCapture': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: ['key', { query: 'user' }] } },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
    'kong-byConsumer': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: 'key' } },
      timeout: '10s',
      attemptTimeout: '5s',
      retry: { maxAttempts: 2 },
      circuitBreaker: false,
    },
  },
  healthCheck: {
    services: {
      search: {
        type: 'grpc',
        protocol: 'https',
        interval: '2500ms',
        timeout: '500ms',
        rise: 1,
        httpFailures: 2,
        tcpFailures: 0,
        timeouts: 0,
      },
    },
  },
  transport: {
    connectTimeout: '60s',
    tls: {
      services: {
        pay: {
          rejectUnauthorized: false,
          cert: '-----BEGIN CERTIFICATE-----\nMIIDDzCCAfegAwIBAgIUSipSu3oU1h2cStW6OMKczwUNUz8wDQYJKoZIhvcNAQEL\nBQAwFjEUMBIGA1UEAwwLa29uZy1jbGllbnQwIBcNMjYxMjAyMDE0MTUyWhgPMjEy\nNjExMDgwMTQxNTJaMBYxFDASBgNVBAMMC2tvbmctY2xpZW50MIIBIjANBgkqhkiG\n9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuAGVwNMX3N5DAq8eJpFD6Nl0Fh0VkfOuvSdY\nyA5J1TyffTzMv3jMWDsVFVt9tb1J2BMKzRLfF9ChH2Jh3hg/vijYR/A/g38Cwigz\nlxd4zadflwpc6BW6IP5ELTtK/s8Q79WzWOGmf1HTD47UhuvxQSyI6yeAPQ+cJwmQ\n97UWr4uhVz5iFzQHLyPu/GSjOR7BqslFRTQQSspRTItpM5gXq6RSHW5/lCeE+UHO\nQcBGa8f0eShOeR/xUPkwXcPeknFnS8dlZktxbpG95KH5XERPu5IFhFCqrYJ2CjL7\nktLbMhkEn+tzv2Zqp1dj6En/eFNq2FUq9eTfZdvzW0AUnjgoyQIDAQABo1MwUTAd\nBgNVHQ4EFgQU1QKDP3la3LeP1mHSPWLvnnv7vA4wHwYDVR0jBBgwFoAU1QKDP3la\n3LeP1mHSPWLvnnv7vA4wDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC\nAQEAp5cs42AXUc6IQXQZLKlY5xhrJmwU1HQmr6Zw7bckpctFxVEeVRZJemUOLB9S\nsaFNQsni26LP+RUz3E5pmslvNuAf2uX/6xKr9DVrtbwvNWgAovOqpZTSjKIvTD8x\n971ib1v0kSWe8y0Bs4oxe8VwM3OGUqs7JJzz1uGNOfGnLaaiASMGKRZZ1mSfiglQ\ntj8tlkQY26Pa85/x2h2ezRJy3Vxs/BwpbIvTXci36O7c47UUUXd9Mc0z+GRmimGS\nHABOKB4pnmjOYrt9vQh/d+wqpWWXCFm5pw9jHPAXq2Vuxp4P+B9nQAorbJeZCNwu\n5cjFQ5GFqxs7fEa8h7j2UIVTuw==\n-----END CERTIFICATE-----\n',
          key: '-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC4AZXA0xfc3kMC\nrx4mkUPo2XQWHRWR8669J1jIDknVPJ99PMy/eMxYOxUVW321vUnYEwrNEt8X0KEf\nYmHeGD++KNhH8D+DfwLCKDOXF3jNp1+XClzoFbog/kQtO0r+zxDv1bNY4aZ/UdMP\njtSG6/FBLIjrJ4A9D5wnCZD3tRavi6FXPmIXNAcvI+78ZKM5HsGqyUVFNBBKylFM\ni2kzmBerpFIdbn+UJ4T5Qc5BwEZrx/R5KE55H/FQ+TBdw96ScWdLx2VmS3Fukb3k\noflcRE+7kgWEUKqtgnYKMvuS0tsyGQSf63O/ZmqnV2PoSf94U2rYVSr15N9l2/Nb\nQBSeOCjJAgMBAAECggEADy5DS32m7PgR1Xt63HH05TWmigoDfO96qbygqp2iKgNm\nwZt15XCbBEb4k/LgxdEMcfUNObLOQM3bsyYH3r3HqYG/aTz5EnlUsg3Extj/BJGD\n1Ydbd6LOQLlViNlI1EmjUzQhaCpytPOcWv7cyhZWaLr6v1Lalb8PUhmsEgGo0dnq\nWQC0hWuEuGAGRzc/hUvUgjaOMCV8l1JVuMGjN+ZKCiF6IEgoQPd/i7LfY5nqpGbu\nQQeU30F1S4vlDMgqQoyXEfXQ1k1wou6GIGk80GJuH2CsWG4riv5LzpOqKdiSyMMB\nUu2Kt0LD1P3yEPkS/1buN69Z7Kz3Ueq7CbPiD16e4QKBgQDwgZmbso406F6L34tr\n/2NQNLTp+l+VsFnkGgngLecOgHQLmGNPaDropYfryVXzxPfFYsf5MyTRjjddS+3l\n8xgFxMmIKkEQHbLfmlHLRYmsE7T5YYFTmzvp+Sp1YFx+FSo7ujMhynhjGfO/11a6\n6ACyxiTFBZHpA6VsaTWUTdXBoQKBgQDD3DFb+wCpfGvn2c9EfhEspui8oOGMHO/x\nMNsCu3Bl5VtQTWjEoOg2c0x2Fo7Z+nFK+4/bRHxYA82Xc4bE8Ffv6NoLOgbqM9hZ\ncvwiV0Z6izjiZQMmprXks1EhqTEbQUshmvid3RFYl64UY6i3G0E9Q8++5ZZeAKDP\nzdSDWBZmKQKBgCUxdabdYx6NfOmWpYILGbmynPO+M3/7qLscx8AyeRQGC2wrodgK\n32lRCAcPuModANA2qYRBQ4Vgv/Eep+iywllKCHyVRECQxzPLMrEDzPmehpM2YACk\n9gwF62oBf+xDq6dW8Uddf2acAdT+ITyAWnNLLy6E4P6vAKsWTiHkM5VhAoGAXGii\nnTxDJrQ+kSiSA0Xbwo6Jlp3tbNcmWkzruFFJibn6KFwth0BH75DczYZ9Jdlk5LTm\nPdUFOd2pfcCTII4pX1cksVFSe+O0OxfmYCl/ZkgTsbVpFC5p+ZqlN9WFBs/6q8Nb\nc9ge3AbMqnAO5T2lvUsmVHIsTPPM6964WrQP9WkCgYEAi2k1uvIXuVgc/peNI5qj\n8CUYDg9yUO+wRqj3SKEnbl1ZlSYK6IprHgyKN76L8CkLwDKGtdh6HeznsCV/PvxD\nCjVNvmNEmQrroP0snpoL2IXnAxgV8iy97f4pzHnBhiEEGSIzaCh0p9R7vbGchlLV\nzlZN/DvWUorOWGmHw9XGD8o=\n-----END PRIVATE KEY-----\n',
        },
      },
    },
  },
} satisfies ServiceDiscoveryOptions;
