import { type MailTexts, minutesIn } from '../content.ts';

const minutes = minutesIn('ar');

export const ar: MailTexts = {
  account_code: (mail) => ({
    subject: `رمزك هو ${mail.code}`,
    paragraphs: ['أدخل هذا الرمز للمتابعة:'],
    code: mail.code,
    note: `مدة الصلاحية: ${minutes(mail.minutes)}، ويُستخدم مرة واحدة فقط. إذا لم تطلبه فتجاهل هذه الرسالة.`,
  }),
  account_exists: () => ({
    subject: 'لديك حساب بالفعل',
    paragraphs: [
      'حاول شخص ما، نأمل أنه أنت، التسجيل بهذا العنوان، لكن له حساب بالفعل. سجّل الدخول به، وإذا نسيت كلمة المرور فاطلب واحدة جديدة من هناك.',
    ],
    note: 'إذا لم تكن أنت، فتجاهل هذه الرسالة.',
  }),
  password_reset: (mail) => ({
    subject: 'اختر كلمة مرور جديدة',
    paragraphs: ['طلب شخص ما، ونرجو أن يكون أنت، كلمة مرور جديدة لهذا العنوان.'],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'اختيار كلمة مرور جديدة', url: mail.link },
    note: `مدة الصلاحية: ${minutes(mail.minutes)}. إذا لم تطلب ذلك فتجاهل هذه الرسالة، وتبقى كلمة مرورك كما هي.`,
  }),
  invitation: (mail) => ({
    subject: `دعوة من ${mail.inviter} إلى ${mail.workspace}`,
    paragraphs: [`يدعوك ${mail.inviter} إلى العمل في ${mail.workspace}.`],
    code: mail.code,
    link: mail.link === undefined ? undefined : { label: 'قبول الدعوة', url: mail.link },
    note: 'إذا كنت لا تعرف سبب هذه الرسالة فتجاهلها.',
  }),
  key_public_warning: (mail) => ({
    subject: `مفتاح سري لـ ${mail.project} أصبح علنيًا`,
    paragraphs: [
      `استُخدم المفتاح السري لـ ${mail.project} الذي يبدأ بـ ${mail.keyPrefix} من صفحة ويب، حيث يمكن للجميع قراءته.`,
      'أنشئ مفتاحًا جديدًا، واحفظه حيث لا تراه إلا خوادمك، ثم ألغِ المفتاح القديم.',
    ],
  }),
  lead_code: (mail) => ({
    subject: `رمزك لدى ${mail.project} هو ${mail.code}`,
    paragraphs: ['أدخل هذا الرمز في المحادثة لتأكيد عنوان بريدك الإلكتروني:'],
    code: mail.code,
    note: `مدة الصلاحية: ${minutes(mail.minutes)}، ويُستخدم مرة واحدة فقط. إذا لم تطلبه فتجاهل هذه الرسالة.`,
  }),
  lead_notification: (mail) => ({
    subject: `جهة اتصال جديدة: ${mail.lead.name}`,
    paragraphs: [`ترك أحد زوار ${mail.project} بيانات الاتصال به.`],
    rows: [
      ['الاسم', mail.lead.name],
      ['البريد الإلكتروني', mail.lead.email],
      ...Object.entries(mail.lead.fields),
      ...(mail.message ? [['الرسالة', mail.message] as [string, string]] : []),
    ],
    transcript: {
      heading: 'المحادثة',
      lines: mail.transcript.map(({ from, text }) => ({
        from: from === 'visitor' ? mail.lead.name : 'المساعد',
        text,
      })),
    },
  }),
};
