import { defineConfig } from 'vitepress';

const out = '../dist/docs';

/** Of a heading, as GitHub makes them: the pages are read there, too. */
const anchorOf = (title) =>
  title
    .toLowerCase()
    .replaceAll(/[^\w\s-]/g, '')
    .replaceAll(' ', '-');

const group = (text, ...items) => ({ text, items: items.map(([name, link]) => ({ text: name, link })) });

/** Pages come from `npm run docs`, which writes them into `srcDir`. A dead link ends the build. */
export default defineConfig({
  title: 'nest-service-discovery',
  description: 'Service discovery and resilient calls for NestJS, inside the calling process',
  lang: 'en',
  srcDir: `${out}/pages`,
  outDir: `${out}/site`,
  cacheDir: `${out}/cache`,
  // Browsers ask for an icon otherwise, and there is none.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  markdown: { anchor: { slugify: anchorOf } },
  themeConfig: {
    search: { provider: 'local' },
    outline: { level: [2, 3] },
    notFound: {
      title: 'There is no such page',
      quote: 'It may have moved: search for it, or start from the list of all pages.',
      link: '/contents.html',
      linkLabel: 'All pages',
      linkText: 'All pages',
    },
    nav: [
      { text: 'Start', link: '/' },
      { text: 'Options', link: '/reference/configuration' },
      { text: 'Errors', link: '/reference/errors' },
      { text: 'Changes', link: '/changelog' },
    ],
    sidebar: [
      group('Start', ['Five-minute start', '/'], ['Concepts', '/concepts']),
      group(
        'Guides',
        ['Register', '/registration'],
        ['Discover', '/discovery'],
        ['Call', '/calling'],
        ['Declarative clients', '/declarative-clients'],
        ['From HttpService', '/from-http-service'],
        ['Balance', '/balancing'],
        ['Health', '/health'],
        ['Health checks', '/health-checks'],
        ['Resilience', '/resilience'],
        ['When things fail', '/failures'],
        ['Startup and shutdown', '/startup-and-shutdown'],
        ['Several machines', '/several-machines'],
        ['Other languages', '/other-languages'],
        ['Redis', '/redis'],
        ['Kubernetes', '/kubernetes'],
        ['Autoscaling', '/autoscaling'],
        ['Service meshes', '/mesh'],
        ['Security', '/security'],
        ['TLS', '/tls'],
        ['Observe', '/observability'],
        ['Dashboard', '/dashboard'],
        ['Test', '/testing'],
        ['Nest integration', '/nest-integration'],
        ['Without Nest', '/without-nest'],
        ['Migrate from Kong', '/migrate-from-kong'],
      ),
      group(
        'Reference',
        ['API', '/reference/api/'],
        ['Options', '/reference/configuration'],
        ['REST API', '/reference/rest'],
        ['REST API, every route', '/reference/routes'],
        ['Errors', '/reference/errors'],
        ['Events', '/reference/events'],
        ['Metrics', '/reference/metrics'],
        ['Command line', '/command-line'],
        ['Compatibility', '/compatibility'],
      ),
      group(
        'Operations',
        ['Sizing', '/scale'],
        ['Redis: settings and faults', '/redis#configure-redis'],
        ['Upgrades', '/upgrades'],
        ['Runbook', '/runbook'],
        ['Threat model', '/security-model'],
      ),
      group(
        'Performance',
        ['What a call costs', '/performance'],
        ['Simulations', '/simulations'],
        ['Faults of peers', '/peer-faults'],
      ),
      group('Comparison', ['Beside Kong, Consul, Istio and others', '/comparison']),
      group('Help', ['Troubleshooting', '/troubleshooting'], ['FAQ', '/faq']),
      group('The project', ['All pages', '/contents'], ['Architecture', '/architecture'], ['Changelog', '/changelog']),
    ],
  },
});
