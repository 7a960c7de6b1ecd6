-- A code's time begins when its mail was handed over: a mail server that is away for an hour costs nobody their code.
alter table account_codes add column mail_id uuid;
create index account_codes_mail on account_codes (mail_id);
