"use strict";exports.id=7483,exports.ids=[7483],exports.modules={27483:((D,E,_)=>{_.d(E,{networkFault:()=>s.T});var s=_(51035),P=_(71842),R=_(72919)})};
