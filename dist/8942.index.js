"use strict";exports.id=8942,exports.ids=[8942],exports.modules={90846:((S,i,$)=>{$.d(i,{hS:()=>g,md:()=>f,pq:()=>h,zF:()=>p});function h({rows:e},d){return e.filter(c=>c.outcome===d).length}function f({rows:e}){return["refused","undetermined","ok","skipped"].flatMap(c=>e.filter(_=>_.outcome===c))}function p(e){const d=["ok","refused","undetermined","skipped"].flatMap(c=>{const _=h(e,c);return _===0?[]:[`${_} ${c}`]});return`${g(e.rows.length,e.noun)}${d.length===0?"":`: ${d.join(", ")}`}`}function g(e,d){return`${e} ${d}${e===1?"":"s"}`}}),54469:((S,i,$)=>{$.d(i,{D9:()=>d,p7:()=>e,yo:()=>M});var h=$(480),f=$(90846),p=/[A-Za-z0-9 ,./;?()+=-]/,g=/[@#:$!~%&^*]/;function e(n,r=400){return(0,h.T)(n,r).replace(/[\u0021-\u007e]/g,(t,u,s)=>{if(p.test(t)||t===":"&&s[u+1]===" ")return t;const o=`&#${t.charCodeAt(0)};`;return g.test(t)?`${o}<wbr>`:o}).replace(/(?<=www)\./gi,"&#46;<wbr>").replace(/(?<=[A-Za-z])-(?=[0-9])/g,"-<wbr>")}function d(n,r=400){return`<code>${e(n,r)}</code>`}var c={ok:"\u2705",refused:"\u274C",undetermined:"\u2754",skipped:"\u2796"},_=5,k=50,O=1024;function M(n,r){const t=(0,f.md)(n),u=`### ${c[t[0]?.outcome??"ok"]} countersign ${n.operation}: ${(0,f.zF)(n)}
`,s=n.note===void 0?"":`
${e(n.note)}
`,o=n.warnings.map(l=>`> \u26A0\uFE0F ${e(l)}
>
`),a=D(r-O);if(a.add([`${u}${s}`],1),t.length>0){const l=n.noun.replace(/^./,m=>m.toUpperCase());a.add([`
| | ${l} | Outcome | Digest | Signatures |
|---|---|---|---|---|
`],1),a.add(t.map(A),.5,m=>(0,f.hS)(m,n.noun))}return o.length>0&&a.add([`
`,...o],.25,l=>(0,f.hS)(l,"warning")),a.add(t.flatMap(T),1,l=>`reasons of ${(0,f.hS)(l,n.noun)}`),a.text()}function A({outcome:n,name:r,state:t,digest:u,signatures:s}){const o=s.slice(0,_).map(l=>e(l));s.length>o.length&&o.push(`and ${s.length-o.length} more`);const a=u===null||r.endsWith(u)?"":d(u);return`| ${c[n]} | ${d(r)} | ${e(t)} | ${a} | ${o.join("<br>")} |
`}function T({outcome:n,name:r,state:t,reasons:u}){const s=n==="ok"?u.filter(({ofSignature:l})=>!l):u;if(s.length===0)return[];const o=s.slice(0,k).map(w);return s.length>o.length&&o.push(`- and ${(0,f.hS)(s.length-o.length,"more reason")}
`),[`
<details><summary>${`${c[n]} ${d(r)}: ${e(t)}`}</summary>

${o.join("")}
</details>
`]}function w({code:n,message:r,hint:t,place:u}){const s=u===null?"":`${e(u)}: `,o=t===null?"":`<br>mend: ${e(t)}`;return`- ${d(n)} ${s}${e(r)}${o}
`}function D(n){let r="",t=0;return{add(u,s,o=a=>(0,f.hS)(a,"block")){const a=t+(n-t)*s;for(const[l,m]of u.entries()){const E=Buffer.byteLength(m);if(t+E>a){r+=`
**${o(u.length-l)} left out: this page is full; the JSON report has all.**
`;return}r+=m,t+=E}},text:()=>r}}}),18942:((S,i,$)=>{$.r(i),$.d(i,{markdownSummary:()=>h.yo});var h=$(54469)})};
