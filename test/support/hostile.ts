// Files that somebody made to do harm, made by the tests themselves.
import { deflateSync } from 'node:zlib';
import { zip } from './documents.ts';

/** A Word document of a few hundred kilobytes that unpacks to 256 MB. */
export const zipBomb = () => {
  const zeros = new Uint8Array(64 * 1024 * 1024);
  return zip({
    '[Content_Types].xml':
      '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>',
    'word/document.xml': zeros,
    'word/a.xml': zeros,
    'word/b.xml': zeros,
    'word/c.xml': zeros,
  });
};
/** Asks the parser to read a file. */
export const externalEntity = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd"><!ENTITY f "entity">]>';
/** A billion words out of a few. */
export const entityBomb = `<!DOCTYPE x [<!ENTITY a "ha">${'abcdefghi'
  .split('')
  .slice(1)
  .map((name, n) => `<!ENTITY ${name} "${`&${'abcdefghi'[n]};`.repeat(10)}">`)
  .join('')}]>`;

/** A PDF whose page is 2 GB of spaces, packed twice. */
export const pdfBomb = () => {
  const packed = deflateSync(deflateSync(Buffer.alloc(512 * 1024 * 1024, ' '), { level: 1 }));
  const start =
    '%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n' +
    '3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] /Contents [4 0 R 4 0 R 4 0 R 4 0 R] >>\nendobj\n' +
    `4 0 obj\n<< /Filter [/FlateDecode /FlateDecode] /Length ${packed.length} >>\nstream\n`;
  return Buffer.concat([
    Buffer.from(start, 'latin1'),
    packed,
    Buffer.from('\nendstream\nendobj\ntrailer\n<< /Root 1 0 R >>\n%%EOF'),
  ]);
};
