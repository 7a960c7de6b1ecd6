import { afterAll, describe, expect, test } from 'vitest';
import { readPage } from '../activities/sources/page-content.ts';
import { createPageReader } from '../activities/sources/page-reader.ts';
import { scopeOf, sourceSettings } from '../domain/sources.ts';
import { matches, pageUrl } from '../domain/urls.ts';

const url = 'https://shop.example/help/returns';
const sentence = 'You can send everything back within thirty days, and we pay for the parcel. ';
const frame = (
  inner: string,
  head = '',
) => `<!doctype html><html><head><title>Returns – Shop</title>${head}</head><body>
  <header><a href="/">Home</a> <nav><a href="/help/shipping">Shipping</a></nav></header>
  <div id="cookie-banner">We use cookies. <button>Accept</button></div>
  ${inner}
  <aside>Read also: lamps</aside>
  <footer>Imprint <a href="/imprint">here</a></footer></body></html>`;

describe('what a page says', () => {
  test('the main element without navigation, banners, sidebar and footer', () => {
    const page = readPage(
      frame(`<main><nav>Home > Help</nav><header><h1>Returns</h1></header><p>${sentence.repeat(4)}
        <table><tr><th>Country<th>Days<tr><td>France<td>30<tr><td>Norway<td>14</table>
        <ul><li>Keep the <a href="box">box</a>.</ul></main>`),
      url,
    );
    expect(page.title).toBe('Returns');
    expect(page.markdown).toContain('# Returns\n\nYou can send');
    expect(page.markdown).toContain('Country: Norway; Days: 14');
    expect(page.markdown).toContain('Keep the box.');
    for (const frame of ['cookies', 'Shipping', 'Imprint', 'lamps', 'Home', 'https://'])
      expect(page.markdown).not.toContain(frame);
    expect(page.links).toEqual([
      'https://shop.example/',
      'https://shop.example/help/shipping',
      'https://shop.example/help/box',
      'https://shop.example/imprint',
    ]);
  });

  test('the article, where nothing is marked as main', () => {
    const page = readPage(
      frame(`<div class="sidebar"><a href="/a">A</a><a href="/b">B</a></div>
        <div class="text"><h1>Returns</h1>${`<p>${sentence.repeat(3)}</p>`.repeat(5)}</div>`),
      url,
    );
    expect(page.markdown).toMatch(/^# Returns\n/);
    expect(page.markdown).toContain('within thirty days');
    expect(page.markdown).not.toContain('Imprint');
  });

  test('a page that is no article keeps its lists', () => {
    const page = readPage(frame('<div><ul><li>Open from ten to six</ul><p>Mill Lane 4</p></div>'), url);
    expect(page.title).toBe('Returns – Shop');
    expect(page.markdown).toContain('# Returns – Shop');
    expect(page.markdown).toContain('Open from ten to six');
    expect(page.markdown).toContain('Mill Lane 4');
  });

  test('canonical, base, noindex and nofollow', () => {
    const page = readPage(
      frame('<main>x</main>', '<base href="/b/"><link rel=canonical href="/help/returns?utm_source=x#y">'),
      url,
    );
    expect(page.canonical).toBe(url);
    expect(page.links).toContain('https://shop.example/imprint');
    const hidden = readPage(frame('', '<meta name="robots" content="NOINDEX, nofollow">'), url);
    expect([hidden.noindex, hidden.links]).toEqual([true, []]);
  });

  test('a page without text says nothing', () => {
    expect(
      readPage('<!doctype html><title>App</title><div id=root></div><script>1</script>', url).markdown,
    ).toBe('');
    expect(readPage('', url).markdown).toBe('');
  });
});

describe('a page that is made to harm', () => {
  const reader = createPageReader({ limit: 3_000 });
  afterAll(() => reader.close());
  const read = (html: string, charset?: string) => reader.read({ bytes: Buffer.from(html), charset, url });

  test('is a failure of its own, and the next one is read', { timeout: 60_000 }, async () => {
    const good = `<main>${sentence.repeat(4)}</main>`;
    const pages = [
      read('<div>'.repeat(300_000) + good),
      read(`<a ${Array.from({ length: 100_000 }, (_, n) => `a${n}=1`).join(' ')}>${good}`),
      read(good),
      read(`<meta charset="windows-1252"><p>${sentence}`),
    ];
    await expect(pages[0]).rejects.toThrow('takes more than');
    await expect(pages[1]).rejects.toThrow('takes more than');
    expect((await pages[2]!).markdown).toContain('thirty days');
    expect((await pages[3]!).markdown).toContain('thirty days');
  });

  test('charsets: the one of the server, else the one of the page', { timeout: 30_000 }, async () => {
    const bytes = Buffer.from('<meta charset="windows-1252"><p>Öffnungszeiten für alle', 'latin1');
    expect((await reader.read({ bytes, charset: undefined, url })).markdown).toBe('Öffnungszeiten für alle');
    expect((await reader.read({ bytes, charset: 'iso-8859-1', url })).markdown).toBe(
      'Öffnungszeiten für alle',
    );
  });
});

describe('addresses of pages', () => {
  test.each([
    ['/a?utm_source=x&b=1#c', 'https://shop.example/a?b=1'],
    ['HTTPS://SHOP.example:443/a', 'https://shop.example/a'],
    ['mailto:a@b.example', undefined],
    ['javascript:void(0)', undefined],
    ['https://a:b@shop.example/', undefined],
    [`/${'x'.repeat(2_000)}`, undefined],
    ['/a/b/a/b/a/b/a/b', undefined],
    ['http://[', undefined],
  ])('%s', (text, expected) => expect(pageUrl(text, 'https://shop.example/')).toBe(expected));

  test('patterns', () => {
    expect(matches('/help/*', '/help/a?b=c')).toBe(true);
    expect(matches('*.pdf', '/a/b.pdf')).toBe(true);
    expect(matches('/help', '/help/a')).toBe(false);
    expect(matches('*a*b*', 'xxaxxbxx')).toBe(true);
    expect(matches(`${'*a'.repeat(200)}b`, 'a'.repeat(10_000))).toBe(false);
  });

  test('a scope has its hosts, and the patterns decide', () => {
    const settings = sourceSettings.parse({
      include: ['/help/*'],
      exclude: ['*print=*'],
      hosts: ['docs.example'],
    });
    const scope = scopeOf({ kind: 'site', url: 'https://www.shop.example/', settings });
    const has = (one: string) => [scope.has(one), scope.wants(one)];
    expect(has('https://shop.example/help/a')).toEqual([true, true]);
    expect(has('https://docs.example/help/a')).toEqual([true, true]);
    expect(has('https://www.shop.example/')).toEqual([true, false]);
    expect(has('https://shop.example/help/a?print=1')).toEqual([false, false]);
    expect(has('https://other.example/help/a')).toEqual([false, true]);
    expect(has('https://evilshop.example/help/a')).toEqual([false, true]);
  });
});
