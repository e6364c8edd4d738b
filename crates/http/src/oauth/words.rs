//! What people read about OAuth clients and devices, one place per language.

use crate::consent::Words;

/// Everything that these pages, and the consent page of a client, say in one language.
#[derive(Debug)]
pub(crate) struct OAuthWords {
    /// Who asks.
    pub(crate) client: &'static str,
    pub(crate) client_host: &'static str,
    pub(crate) client_registered: &'static str,
    pub(crate) client_device: &'static str,
    pub(crate) sent_to: &'static str,
    pub(crate) sent_to_app: &'static str,
    pub(crate) only_loopback: &'static str,
    pub(crate) what_next: &'static str,
    pub(crate) what_next_device: &'static str,
    pub(crate) was_granted_text: &'static str,

    pub(crate) device_title: &'static str,
    pub(crate) device_text: &'static str,
    pub(crate) device_code: &'static str,
    pub(crate) device_hint: &'static str,
    pub(crate) device_warning: &'static str,
    pub(crate) device_next: &'static str,
    pub(crate) device_qr: &'static str,
    pub(crate) device_not_a_code: &'static str,
    pub(crate) device_unknown: &'static str,
    pub(crate) device_too_many: &'static str,
    pub(crate) device_done_title: &'static str,
    pub(crate) device_done_text: &'static str,

    pub(crate) cannot_title: &'static str,
    pub(crate) cannot_text: &'static str,
    pub(crate) for_developers: &'static str,
}

impl OAuthWords {
    /// The same language.
    pub(crate) fn of(words: &Words) -> &'static Self {
        if words.lang == "ar" { &AR } else { &EN }
    }
}

const EN: OAuthWords = OAuthWords {
    client: "The program that asks",
    client_host: "It is known by its address: {host}",
    client_registered: "It gave itself this name. Nobody has checked who is behind it.",
    client_device: "It runs on a device that showed you a code. Go on only if that device is yours.",
    sent_to: "After your answer you are sent to: {host}",
    sent_to_app: "After your answer this app opens on your device: {host}",
    only_loopback: "It runs on this computer. Any program on this computer can say that it is this one: go on only if you have just started it yourself.",
    what_next: "If you allow it, you are sent back to the program, and it can begin at once.",
    what_next_device: "If you allow it, the device can begin at once.",
    was_granted_text: "The program has been told. You can take it back at any time in {app}.",

    device_title: "Connect a device",
    device_text: "Type the code that your device shows.",
    device_code: "Code",
    device_hint: "8 letters, such as WDJB-MJHT",
    device_warning: "Only if you have just started this yourself. Nobody who helps you by phone or message needs this code.",
    device_next: "Go on",
    device_qr: "Go on with your phone: take a picture of this.",
    device_not_a_code: "The code has 8 letters. Look at your device again",
    device_unknown: "This code is not known, or it is over. Look at your device again, or begin anew there",
    device_too_many: "Too many wrong codes. Wait a minute, then try again",
    device_done_title: "The device may begin",
    device_done_text: "You can close this page and go back to your device. You can take it back at any time in {app}.",

    cannot_title: "This does not work",
    cannot_text: "The program that sent you here made a mistake, or its link is too old. Nothing was allowed. Go back to it and begin anew.",
    for_developers: "For its developers",
};

const AR: OAuthWords = OAuthWords {
    client: "البرنامج الذي يطلب",
    client_host: "يُعرف بعنوانه: {host}",
    client_registered: "هو الذي اختار هذا الاسم. لم يتحقق أحد ممن يقف وراءه.",
    client_device: "يعمل على جهاز عرض لك رمزًا. تابع فقط إن كان الجهاز لك.",
    sent_to: "بعد إجابتك تُنقل إلى: {host}",
    sent_to_app: "بعد إجابتك يُفتح هذا التطبيق على جهازك: {host}",
    only_loopback: "يعمل على هذا الحاسوب. يمكن لأي برنامج عليه أن يدّعي أنه هو: تابع فقط إن كنت قد شغّلته بنفسك للتو.",
    what_next: "إن سمحت، تعود إلى البرنامج ويمكنه أن يبدأ فورًا.",
    what_next_device: "إن سمحت، يمكن للجهاز أن يبدأ فورًا.",
    was_granted_text: "أُبلغ البرنامج بذلك. يمكنك سحب ذلك في أي وقت في {app}.",

    device_title: "توصيل جهاز",
    device_text: "اكتب الرمز الذي يعرضه جهازك.",
    device_code: "الرمز",
    device_hint: "8 أحرف، مثل WDJB-MJHT",
    device_warning: "فقط إن كنت قد بدأت هذا بنفسك للتو. لا يحتاج إلى هذا الرمز أي شخص يساعدك بالهاتف أو برسالة.",
    device_next: "متابعة",
    device_qr: "تابع بهاتفك: التقط صورة لهذا.",
    device_not_a_code: "للرمز 8 أحرف. انظر إلى جهازك مرة أخرى",
    device_unknown: "هذا الرمز غير معروف أو انتهى. انظر إلى جهازك مرة أخرى، أو ابدأ منه من جديد",
    device_too_many: "رموز خاطئة كثيرة. انتظر دقيقة ثم حاول مرة أخرى",
    device_done_title: "يمكن للجهاز أن يبدأ",
    device_done_text: "يمكنك إغلاق هذه الصفحة والعودة إلى جهازك. يمكنك سحب ذلك في أي وقت في {app}.",

    cannot_title: "هذا لا يعمل",
    cannot_text: "أخطأ البرنامج الذي أرسلك إلى هنا، أو أن رابطه قديم. لم يُسمح بشيء. عد إليه وابدأ من جديد.",
    for_developers: "لمطوّريه",
};

#[cfg(test)]
mod tests {
    use super::*;

    /// The names in braces of every sentence: a language that lost one would not say it.
    #[test]
    fn both_languages_say_the_same() {
        let names = |words: &OAuthWords| -> Vec<usize> {
            let text = format!("{words:?}");
            text.split("\", ")
                .map(|member| {
                    member.matches("{host}").count() + 2 * member.matches("{app}").count()
                })
                .collect()
        };
        assert_eq!(names(&EN), names(&AR));
        assert_eq!(names(&EN).iter().sum::<usize>(), 3 + 2 * 2);
        assert!(!format!("{AR:?}").contains("\"\""), "every sentence is there");
    }
}
