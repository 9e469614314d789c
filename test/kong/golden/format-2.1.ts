// Made of format-2.1.yaml by nest-service-discovery kong import.
import { type ServiceDiscoveryOptions } from 'nest-service-discovery';

export const kongOptions = {
  services: [
    {
      name: 'orders',
      targets: [{ url: 'https://orders-1:8443', weight: 0 }, 'https://[2001:db8::1]:8443'],
      healthCheckPath: '/health',
      tags: ['orders'],
      tier: 'kong-orders',
    },
    {
      name: 'carts',
      targets: [{ url: 'http://10.1.0.1:8000', weight: 0 }],
      healthCheckPath: null,
      tier: 'kong-carts',
    },
    { name: 'grpc-service', targets: ['grpc://10.2.0.1:9090'], healthCheckPath: null, tier: 'kong' },
    { name: 'stream-tls', targets: ['tcp://10.2.0.2:9443'], healthCheckPath: null, tier: 'kong' },
  ],
  patterns: {
    'kong-orders': {
      loadBalancing: { strategy: 'least_connections', minimumHealthyShare: 0.25 },
      timeout: '360s',
      attemptTimeout: '60s',
      retry: { maxAttempts: 6 },
      circuitBreaker: false,
    },
    'kong-carts': {
      loadBalancing: { strategy: 'consistent_hash', hash: { on: { cookie: 'session' } } },
      timeout: '60s',
      attemptTimeout: '60s',
      retry: { maxAttempts: 1 },
      circuitBreaker: { failureThreshold: 2, recoveryTimeout: '3s', ignoredStatuses: [408, 429, [500, 599]] },
    },
    kong: { timeout: '360s', attemptTimeout: '60s', retry: { maxAttempts: 6 }, circuitBreaker: false },
  },
  healthCheck: {
    services: {
      orders: {
        type: 'http',
        protocol: 'https',
        interval: '10s',
        timeout: '1s',
        rise: 1,
        httpFailures: 2,
        tcpFailures: 0,
        timeouts: 0,
        healthyStatuses: [200, 302],
        unhealthyStatuses: [404, 429, [500, 505]],
        headers: { 'x-probe': 'kong, active', 'x-text': 'a text where a list is due' },
        tls: { servername: 'orders.internal', rejectUnauthorized: false },
        host: 'orders.internal',
      },
      carts: { type: 'tcp', interval: '3s', timeout: '1s', httpFailures: 0, tcpFailures: 1, timeouts: 0 },
      'grpc-service': { type: 'tcp' },
    },
  },
  transport: {
    connectTimeout: '60s',
    tls: {
      services: {
        orders: {
          ca: [
            '-----BEGIN CERTIFICATE-----\nMIIDDzCCAfegAwIBAgIUSipSu3oU1h2cStW6OMKczwUNUz8wDQYJKoZIhvcNAQEL\nBQAwFjEUMBIGA1UEAwwLa29uZy1jbGllbnQwIBcNMjYxMjAyMDE0MTUyWhgPMjEy\nNjExMDgwMTQxNTJaMBYxFDASBgNVBAMMC2tvbmctY2xpZW50MIIBIjANBgkqhkiG\n9w0BAQEFAAOCAQ8AMIIBCgKCAQEAuAGVwNMX3N5DAq8eJpFD6Nl0Fh0VkfOuvSdY\nyA5J1TyffTzMv3jMWDsVFVt9tb1J2BMKzRLfF9ChH2Jh3hg/vijYR/A/g38Cwigz\nlxd4zadflwpc6BW6IP5ELTtK/s8Q79WzWOGmf1HTD47UhuvxQSyI6yeAPQ+cJwmQ\n97UWr4uhVz5iFzQHLyPu/GSjOR7BqslFRTQQSspRTItpM5gXq6RSHW5/lCeE+UHO\nQcBGa8f0eShOeR/xUPkwXcPeknFnS8dlZktxbpG95KH5XERPu5IFhFCqrYJ2CjL7\nktLbMhkEn+tzv2Zqp1dj6En/eFNq2FUq9eTfZdvzW0AUnjgoyQIDAQABo1MwUTAd\nBgNVHQ4EFgQU1QKDP3la3LeP1mHSPWLvnnv7vA4wHwYDVR0jBBgwFoAU1QKDP3la\n3LeP1mHSPWLvnnv7vA4wDwYDVR0TAQH/BAUwAwEB/zANBgkqhkiG9w0BAQsFAAOC\nAQEAp5cs42AXUc6IQXQZLKlY5xhrJmwU1HQmr6Zw7bckpctFxVEeVRZJemUOLB9S\nsaFNQsni26LP+RUz3E5pmslvNuAf2uX/6xKr9DVrtbwvNWgAovOqpZTSjKIvTD8x\n971ib1v0kSWe8y0Bs4oxe8VwM3OGUqs7JJzz1uGNOfGnLaaiASMGKRZZ1mSfiglQ\ntj8tlkQY26Pa85/x2h2ezRJy3Vxs/BwpbIvTXci36O7c47UUUXd9Mc0z+GRmimGS\nHABOKB4pnmjOYrt9vQh/d+wqpWWXCFm5pw9jHPAXq2Vuxp4P+B9nQAorbJeZCNwu\n5cjFQ5GFqxs7fEa8h7j2UIVTuw==\n-----END CERTIFICATE-----\n',
          ],
        },
      },
    },
  },
} satisfies ServiceDiscoveryOptions;
